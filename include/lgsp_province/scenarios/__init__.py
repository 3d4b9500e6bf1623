"""Worlds with planted figures from press reports of real provinces."""
