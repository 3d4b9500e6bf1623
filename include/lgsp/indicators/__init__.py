"""Definitions of the indicators, and the SQL that computes and updates them."""
