"""Generates the simulated world: agencies, services, dossiers and documents over time."""
