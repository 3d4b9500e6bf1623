"""One folder for each source system: only what that system does differently."""
