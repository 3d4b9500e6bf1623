"""Load the contracts, code lists and source descriptions as typed objects."""
