"""Measurements: every metric, its exporter, and the row that a request leaves."""
