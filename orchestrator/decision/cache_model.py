"""The edge's cache without its frames: how an update is applied, written once for every simulation.

The law is the edge's own (`edge_node.edge.Edge.apply`): evictions first, then admissions from
staging; what is not there, or does not fit, is counted and never forced; the bytes held never
exceed the capacity; a prompt has at most one output.
"""

from __future__ import annotations

from collections.abc import Iterable

from midstep.wire.messages import CachedOutput, CacheSnapshot, CacheUpdate, CacheUpdateResult

__all__ = ["CacheModel"]


class CacheModel:
    """Outputs by key, in order of admission, and those that wait in staging. `capacity` and sizes
    are bytes, or any other unit that both share."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.held: dict[str, CachedOutput] = {}
        self.staging: dict[str, CachedOutput] = {}
        self.nbytes = 0

    @classmethod
    def of(cls, snapshot: CacheSnapshot) -> CacheModel:
        """The cache that a snapshot was taken of."""
        model = cls(snapshot.capacity)
        model.hold(snapshot.store)
        model.stage(snapshot.staging)
        return model

    def stage(self, outputs: Iterable[CachedOutput]) -> None:
        """Let fresh outputs wait, each in place of the same prompt's older one."""
        for output in outputs:
            self.staging.pop(output.prompt_key, None)
            self.staging[output.prompt_key] = output

    def hold(self, outputs: Iterable[CachedOutput]) -> None:
        """Hold just these outputs, whoever chose them."""
        self.held = {output.prompt_key: output for output in outputs}
        self.nbytes = sum(output.nbytes for output in self.held.values())

    def apply(self, update: CacheUpdate) -> CacheUpdateResult:
        """Evict, then admit from staging."""
        evicted = sum(
            [self._evict(name if isinstance(name, str) else name[0]) for name in update.evict]
        )
        admitted = sum([self._admit(key, step) for key, step in update.admit])
        return CacheUpdateResult(admitted, evicted, len(update.admit) - admitted)

    def snapshot(self) -> CacheSnapshot:
        """Contents as a policy sees them; what is held and waits as well is told as held."""
        waiting = tuple(o for key, o in self.staging.items() if key not in self.held)
        return CacheSnapshot(
            store=tuple(self.held.values()),
            staging=waiting,
            capacity=self.capacity,
            store_bytes=self.nbytes,
            staging_bytes=sum([output.nbytes for output in waiting]),
        )

    def check(self) -> None:
        """Check the integrity. Raises ValueError where the sums, the keys or the bound are
        broken."""
        total = sum(output.nbytes for output in self.held.values())
        if total != self.nbytes:
            raise ValueError(f"the cache holds {total} bytes and counts {self.nbytes}")
        if self.nbytes > self.capacity:
            raise ValueError(f"the cache holds {self.nbytes} bytes where {self.capacity} fit")
        for part in (self.held, self.staging):
            for key, output in part.items():
                if key != output.prompt_key:
                    raise ValueError(f"output {output.prompt_key} is filed under {key}")

    def _evict(self, key: str) -> bool:
        output = self.held.pop(key, None)
        if output is None:
            return False
        self.nbytes -= output.nbytes
        return True

    def _admit(self, key: str, step: int) -> bool:
        output = self.staging.get(key)
        if output is None or output.step != step:
            return False
        old = self.held.get(key)
        after = self.nbytes + output.nbytes - (0 if old is None else old.nbytes)
        if after > self.capacity:
            return False
        self.held[key] = output
        self.nbytes = after
        del self.staging[key]
        return True
