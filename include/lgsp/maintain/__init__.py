"""What keeps the dataset right afterwards: sweep, redrive, rollback, retention, repair, verify."""
