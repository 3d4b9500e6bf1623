"""The command `lgsp`: one module for each group of commands."""
