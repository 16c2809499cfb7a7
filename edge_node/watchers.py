"""Those who watch an edge: each gets every access as it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from midstep.wire.messages import Access

__all__ = ["Watchers"]

WATCH_LIMIT = 100_000  # accesses that wait for a slow watcher


class Watchers:
    """Open streams of accesses. Nobody waits for a slow watcher: beyond `limit` accesses it loses
    the oldest."""

    def __init__(self, limit: int = WATCH_LIMIT) -> None:
        self._limit = limit
        self._queues: list[asyncio.Queue[Access]] = []

    def __len__(self) -> int:
        return len(self._queues)

    def publish(self, access: Access) -> None:
        """Send an access to everybody who watches."""
        for queue in self._queues:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(access)

    async def watch(self) -> AsyncIterator[Access]:
        """Accesses from now on, until the caller closes the stream."""
        queue: asyncio.Queue[Access] = asyncio.Queue(self._limit)
        self._queues.append(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._queues.remove(queue)
