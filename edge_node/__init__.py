"""The edge server: engine, staging, store, service. Starts alone with `python -m edge_node`."""
