"""Generates worlds with planted figures from press reports about real provinces."""
