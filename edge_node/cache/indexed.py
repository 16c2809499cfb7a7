"""A cache with an index of its prompts' embeddings, always in step with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_node.cache.base import Cache, Entry, Held, Hit
from midstep.errors import CacheCorrupted
from midstep.reuse.index import LikenessIndex, Name, Neighbours
from midstep.reuse.likeness import Grammar, Parts
from midstep.wire.messages_control import CachedOutput

__all__ = ["IndexedStore"]


class IndexedStore(Cache):
    """Any cache, and beside it an index, `dimensions` numbers a row, of the entries that may serve
    other prompts: who is admitted is found at once, who leaves never again.

    Indexed is what has an embedding and bears the key that everybody shares for its prompt,
    `shared_key`: no private output, none of another pipeline or of another conditioning.
    """

    def __init__(
        self, cache: Cache, grammar: Grammar, dimensions: int, shared_key: Callable[[str], str]
    ) -> None:
        self.dimensions = dimensions
        self.shared_key = shared_key
        self.capacity = cache.capacity
        self.several = cache.several
        self._cache = cache
        self._grammar = grammar
        self._index = LikenessIndex(dimensions)
        self._others: set[Name] = cache.names()  # entries that are not indexed
        cache.dropped = self._forget

    def nearest(
        self, vector: NDArray[np.floating], parts: Parts, steps: Sequence[int] | None = None
    ) -> Neighbours:
        """The indexed entries at `steps`, None: all, beside a prompt of this vector and these
        parts. Good until an entry enters or leaves."""
        return self._index.neighbours(vector, parts, steps)

    def groups(self, above: int, last: int) -> Iterator[list[int]]:
        """See LikenessIndex."""
        return self._index.groups(above, last)

    def nearest_prompt(self, vector: NDArray[np.floating], parts: Parts, own: str) -> Neighbours:
        """See LikenessIndex."""
        return self._index.nearest_prompt(vector, parts, own)

    def entry(self, prompt_key: str, step: int) -> Entry | None:
        """The entry of just that step, where `lookup` sees it."""
        hit = self._cache.lookup(prompt_key, step)
        return hit.entry if hit is not None and hit.step == step else None

    def fill(self, embed: Callable[[str], NDArray[np.floating]]) -> int:
        """Index what the cache held before, such as a disk's outputs of an earlier run; `embed` is
        for those whose embedding is not at hand. How many are new in the index."""
        before = len(self._index)
        for held in self._cache.held():
            if (held.prompt_key, held.step) not in self._index:
                self._remember(held, embed)
        return len(self._index) - before

    def lookup(self, prompt_key: str, limit: int) -> Hit | None:
        return self._cache.lookup(prompt_key, limit)

    async def fetch(self, prompt_key: str, limit: int) -> Hit | None:
        return await self._cache.fetch(prompt_key, limit)

    def leave_behind(self) -> Path | None:
        return self._cache.leave_behind()

    def vanish(self) -> None:
        self._cache.vanish()

    def names(self) -> set[Name]:
        return self._cache.names()

    def held(self) -> Iterator[Held]:
        return self._cache.held()

    def admit(self, entry: Entry) -> bool:
        if not self._cache.admit(entry):
            return False
        frame = entry.frame
        if entry.embedding is None and (frame.prompt_key, frame.step) in self._index:
            return True  # back from a disk that an earlier run filled: its prompt is as before
        self._forget(frame.prompt_key, frame.step)  # what stood there before
        self._remember(Held(frame.prompt_key, frame.step, entry.prompt, entry.embedding))
        return True

    def evict(self, prompt_key: str, step: int | None = None) -> int:
        return self._cache.evict(prompt_key, step)

    def resize(self, capacity: int) -> int:
        count = self._cache.resize(capacity)
        self.capacity = capacity
        return count

    def clear(self) -> int:
        return self._cache.clear()

    def snapshot(self) -> tuple[CachedOutput, ...]:
        return self._cache.snapshot()

    def check(self) -> None:
        self._cache.check()
        self._index.check()
        names = self._index.names()
        entries = self._cache.names()
        for key, step in sorted(names - entries):
            raise CacheCorrupted(
                f"the index of likeness has step {step} of {key[:12]}, which the store has not"
            )
        for key, step in sorted(entries - names - self._others):
            raise CacheCorrupted(
                f"the store has step {step} of {key[:12]}, which the index of likeness has not"
            )

    async def close(self) -> None:
        await self._cache.close()

    @property
    def nbytes(self) -> int:
        return self._cache.nbytes

    @property
    def total(self) -> int:
        return self._cache.total

    def __len__(self) -> int:
        return len(self._cache)

    def _remember(
        self, held: Held, embed: Callable[[str], NDArray[np.floating]] | None = None
    ) -> None:
        """Index an entry, or remember that it serves its own prompt alone."""
        name = held.prompt_key, held.step
        vector: NDArray[np.floating] | None = None
        if self.shared_key(held.prompt) == held.prompt_key:
            vector = held.embedding
            if vector is not None and embed is not None and len(vector) != self.dimensions:
                vector = None  # by another embedder
            if vector is None and embed is not None:
                vector = embed(held.prompt)
        if vector is None:
            self._others.add(name)
            return
        self._index.add(*name, vector, self._grammar.parts(held.prompt))
        self._others.discard(name)

    def _forget(self, key: str, step: int) -> None:
        """An entry is not held any more."""
        self._index.remove(key, step)
        self._others.discard((key, step))
