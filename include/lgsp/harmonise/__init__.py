"""Turn landed bytes into typed rows in one language."""

from lgsp.harmonise.stage import run

__all__ = ["run"]
