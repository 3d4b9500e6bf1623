"""A second opinion: every indicator computed again in plain Python from the clean facts of the simulated province."""
