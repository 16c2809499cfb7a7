"""Census of a Ray cluster: its nodes and resources, counted in a thread that may hang."""

from __future__ import annotations

import ray

from midstep.errors import PartDied
from orchestrator.cluster.in_thread import in_thread
from orchestrator.live.cell import Census

__all__ = ["take_census"]


async def take_census() -> Census:
    """Count the cluster's nodes and resources. Raises PartDied where its head is gone.

    Ray asks its head by a call that blocks, for ever where the head is gone.
    """
    return await in_thread(_count, "census")


def _count() -> Census:
    try:
        nodes = sum(node["Alive"] for node in ray.nodes())
        return Census(nodes, ray.cluster_resources(), ray.available_resources())
    except Exception as error:  # whatever Ray raises without its head
        raise PartDied("the cluster's head does not answer") from error
