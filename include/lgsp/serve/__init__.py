"""The read API: a read-only OData 4.0 service over the published snapshots."""

from lgsp.serve.server import run

__all__ = ["run"]
