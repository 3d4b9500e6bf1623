"""Write, sign, verify, replicate and switch immutable Parquet snapshots."""
