"""What an edge lends to its neighbours: outputs of its store, and the names of them."""

from __future__ import annotations

import hashlib

from edge_node.cache.base import Cache
from midstep.wire.messages_neighbours import Digest, LentOutput

__all__ = ["Lender"]


class Lender:
    """Lends what `store` holds, in all its tiers; lending is no use of an output that a policy is
    shown."""

    def __init__(self, store: Cache) -> None:
        self._store = store

    def digest(self, known: int) -> Digest:
        """See NeighbourPort. The state is one of the contents, so that an edge that began anew is
        never taken for what it was."""
        held = tuple(sorted(self._store.names()))
        text = ",".join(f"{key}:{step}" for key, step in held)
        state = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) or 1
        return Digest(state=state, held=None if state == known else held)

    async def lend(self, prompt_key: str, step: int) -> LentOutput | None:
        """See NeighbourPort."""
        hit = await self._store.fetch(prompt_key, step)
        if hit is None or hit.step != step:
            return None
        return LentOutput(frame=hit.entry.frame, truncated=hit.entry.truncated)
