"""Integrity check of an edge's cache and staging: bytes, bounds, keys, and the identity of outputs
that both hold."""

from __future__ import annotations

from edge_node.cache.base import Cache, Entry, check_bounds
from edge_node.cache.staging import Staging
from midstep.errors import CacheCorrupted

__all__ = ["IntegrityCheck"]


class IntegrityCheck:
    """Checks cache and staging of one edge at an amortised cost of O(1) a change: the bounds after
    each change, everything after as many changes as there are entries."""

    def __init__(self, cache: Cache, staging: Staging) -> None:
        self._cache = cache
        self._staging = staging
        self._changes = 0
        self._failure: str | None = None

    def require(self) -> None:
        """Raise CacheCorrupted where a check has failed before: such an edge serves nobody."""
        if self._failure is not None:
            raise CacheCorrupted(self._failure)

    def changed(self, changes: int) -> None:
        """Count `changes` entries put, admitted or evicted, and check. Raises CacheCorrupted."""
        self._changes += changes
        try:
            check_bounds("the store", self._cache.nbytes, self._cache.capacity)
            check_bounds("staging", self._staging.nbytes, self._staging.capacity)
            if self._changes > self._cache.total + len(self._staging):
                self._changes = 0
                self.check()
        except CacheCorrupted as error:
            self._failure = str(error)
            raise

    def check(self) -> None:
        """Check everything, O(entries). Raises CacheCorrupted."""
        self._cache.check()
        self._staging.check()
        for fresh in self._staging.entries():
            frame = fresh.frame
            hit = self._cache.lookup(frame.prompt_key, frame.steps)
            if hit is not None and _identity(hit.entry) != _identity(fresh):
                raise CacheCorrupted(
                    f"store and staging hold outputs of different identity under "
                    f"{frame.prompt_key[:12]}"
                )


def _identity(entry: Entry) -> tuple[str, str, int]:
    """The fields in which two outputs of one key must agree; the step may differ."""
    return entry.prompt, entry.frame.pipeline, entry.frame.steps
