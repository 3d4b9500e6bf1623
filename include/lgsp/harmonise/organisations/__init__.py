"""Agencies: the directory, the matching of spellings, and the queue of spellings to review."""
