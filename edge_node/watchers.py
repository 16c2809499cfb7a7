"""Those who watch an edge: each gets every access as it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from midstep.wire.messages_control import Access

__all__ = ["Watchers"]

WATCH_LIMIT = 100_000  # accesses that wait for a slow watcher


class Watchers:
    """Open streams of accesses. Nobody waits for a slow watcher: beyond `limit` accesses it loses
    the oldest."""

    def __init__(self, limit: int = WATCH_LIMIT) -> None:
        self._limit = limit
        self._queues: list[asyncio.Queue[Access | None]] = []

    def __len__(self) -> int:
        return len(self._queues)

    def publish(self, access: Access) -> None:
        """Send an access to everybody who watches."""
        for queue in self._queues:
            _put(queue, access)

    def close(self) -> None:
        """End the streams: the edge is going."""
        for queue in self._queues:
            _put(queue, None)

    async def watch(self) -> AsyncIterator[Access]:
        """Accesses from now on, until the caller closes the stream, or the edge goes."""
        queue: asyncio.Queue[Access | None] = asyncio.Queue(self._limit)
        self._queues.append(queue)
        try:
            while (access := await queue.get()) is not None:
                yield access
        finally:
            self._queues.remove(queue)


def _put(queue: asyncio.Queue[Access | None], access: Access | None) -> None:
    """Let the oldest go where there is no room."""
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(access)
