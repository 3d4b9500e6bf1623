"""Write, sign, prove, replicate and switch immutable Parquet snapshots."""
