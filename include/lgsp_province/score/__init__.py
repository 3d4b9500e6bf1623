"""Compares a published dataset with the truth of its world."""
