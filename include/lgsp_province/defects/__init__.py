"""The defects of real data, planted at their rates."""
