"""Records of a run: rows, journals and parquet, the summary with its intervals, the report."""
