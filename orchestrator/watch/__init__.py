"""Watching a run: figures in the terminal, Prometheus and Grafana beside it."""
