"""Adds the defects of real data to the simulated world, each at a configured rate."""
