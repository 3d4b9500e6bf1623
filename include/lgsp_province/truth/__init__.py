"""What is true of a world: the rows that a right dataset must have."""
