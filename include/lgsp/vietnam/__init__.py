"""Facts of the country: text, names, territories, working days, phone numbers, times, legacy encodings."""
