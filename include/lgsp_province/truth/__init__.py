"""Computes the truth of a simulated world: the rows that a correct dataset must contain."""
