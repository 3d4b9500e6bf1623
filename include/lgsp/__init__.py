"""One shared dataset of a Vietnamese province: land, harmonise, check, publish."""
