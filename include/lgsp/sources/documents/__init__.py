"""The document system (Qoffice), over the national document gateway."""
