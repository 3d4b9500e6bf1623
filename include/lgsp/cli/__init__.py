"""The command line `lgsp`: one module per group of commands."""
