"""Edges that help each other: one that misses may fetch a neighbour's output instead of computing
it."""
