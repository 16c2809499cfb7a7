"""What a run leaves: rows, journals and parquet, the summary with its intervals, the report."""
