"""The three source systems as HTTP servers."""
