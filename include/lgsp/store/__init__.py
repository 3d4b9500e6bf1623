"""The SQL store: connection, transaction, DDL and migrations, ledger, row history."""

from lgsp.store.connection import connect, url

__all__ = ["connect", "url"]
