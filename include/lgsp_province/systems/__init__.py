"""Serves the three simulated source systems over HTTP."""
