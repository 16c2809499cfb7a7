"""What an edge and a host of devices answer the slot loop, in an actor as in this process.

Light to import: a host's event loop has no time for it once its devices send requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from midstep.errors import CacheCorrupted, PartDied
from orchestrator.live.cell import EdgeStatus
from orchestrator.records.rows import EndedRequest

if TYPE_CHECKING:
    from edge_node.node import EdgeNode
    from user_agent.host import DeviceHost

__all__ = ["edge_status", "ended_requests"]


def edge_status(node: EdgeNode) -> EdgeStatus:
    """An edge node's status. Raises PartDied where its cache does not add up any more."""
    edge = node.edge
    try:
        edge.integrity.require()
    except CacheCorrupted as error:
        raise PartDied(f"{edge.name} failed: {error}") from error
    ticks = node.ticks.drain() if node.ticks is not None else ()
    notices = [] if edge.checks is None else edge.checks.notices()
    if edge.neighbours is not None:
        notices += edge.neighbours.notices()
    return EdgeStatus(
        edge.engine.queue_depth, edge.engine.in_flight, node.pace, ticks, notices, edge.answers
    )


def ended_requests(host: DeviceHost) -> tuple[list[EndedRequest], bool]:
    """A host's rows and pictures since the last call, those rows again of which a check has found
    something, and whether nothing is left to do."""
    ended = [EndedRequest(finished.row, finished.picture) for finished in host.drain()]
    ended += [EndedRequest(row, None, again=True) for row in host.checked()]
    return ended, host.idle
