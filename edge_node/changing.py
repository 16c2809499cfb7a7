"""What is changed at an edge while it serves: its speed, the size of its store, what it holds."""

from __future__ import annotations

from edge_node.edge import Edge
from midstep.events.changes import EdgeChange

__all__ = ["change_edge"]


def change_edge(edge: Edge, change: EdgeChange) -> int:
    """Carry a change out; how many outputs have left for it. What is in flight goes on. Raises
    CacheCorrupted."""
    left = 0
    if change.speed_factor is not None:
        edge.engine.slowness = 1 / change.speed_factor
    if change.wipe:
        left += edge.store.clear()
        edge.staging.clear()
    if change.capacity is not None:
        left += edge.store.resize(change.capacity)
        edge.metrics.capacity(change.capacity)
    edge.integrity.changed(left)
    edge.metrics.evicted(left)
    edge.refresh()
    return left
