"""The simulated world: agencies, services, dossiers and documents that live through time."""
