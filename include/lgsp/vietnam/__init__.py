"""Rules that are specific to Việt Nam: text, names, territories, working days, phone numbers, times, legacy encodings."""
