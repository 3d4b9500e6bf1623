"""Recomputes every indicator in plain Python from the correct facts of the simulated province, for comparison."""
