"""What the contracts, code lists and source descriptions say, as typed objects."""
