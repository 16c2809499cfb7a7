"""The edge's cache without its frames: how an update is applied, written once for every simulation.

The law is the edge's own (`edge_node.edge.Edge.apply`): evictions first, then admissions from
staging; what is not there, or does not fit, is counted and never forced; the bytes held never
exceed the capacity; a prompt has outputs at one step, or at several.
"""

from __future__ import annotations

from collections.abc import Iterable

from midstep.wire.messages import (
    CachedOutput,
    CacheSnapshot,
    CacheUpdate,
    CacheUpdateResult,
    Eviction,
)

__all__ = ["CacheModel", "evicted_prompt"]

Name = tuple[str, int]  # an output's key and step


def evicted_prompt(eviction: Eviction) -> str:
    """The prompt_key of an eviction, which may name a step."""
    return eviction if isinstance(eviction, str) else eviction[0]


class CacheModel:
    """Outputs by key and step (`outputs`), in order of admission, and those that wait in staging.
    `held` has each prompt's furthest output by key: where a prompt has one step, all there are.
    `capacity` and sizes are bytes, or any other unit that both share."""

    def __init__(self, capacity: int, several: bool = False) -> None:
        self.capacity = capacity
        self.several = several
        self.outputs: dict[Name, CachedOutput] = {}
        self.held: dict[str, CachedOutput] = {}
        self.staging: dict[Name, CachedOutput] = {}
        self.nbytes = 0

    @classmethod
    def of(cls, snapshot: CacheSnapshot, several: bool = False) -> CacheModel:
        """The cache that a snapshot was taken of."""
        model = cls(snapshot.capacity, several)
        model.hold(snapshot.store)
        model.stage(snapshot.staging)
        return model

    def stage(self, outputs: Iterable[CachedOutput]) -> None:
        """Let fresh outputs wait, each in place of an older one of the same prompt and step."""
        for output in outputs:
            name = output.prompt_key, output.step
            self.staging.pop(name, None)
            self.staging[name] = output

    def hold(self, outputs: Iterable[CachedOutput]) -> None:
        """Hold just these outputs, whoever chose them."""
        self.outputs = {(output.prompt_key, output.step): output for output in outputs}
        self.nbytes = sum(output.nbytes for output in self.outputs.values())
        self.held = {}
        for output in self.outputs.values():
            other = self.held.get(output.prompt_key)
            if other is None or other.step < output.step:
                self.held[output.prompt_key] = output

    def lookup(self, key: str, limit: int) -> CachedOutput | None:
        """A prompt's furthest output whose step is at most `limit`."""
        output = self.held.get(key)
        if output is None or output.step <= limit:
            return output
        return self._furthest(key, limit)

    def apply(self, update: CacheUpdate) -> CacheUpdateResult:
        """Evict, then admit from staging."""
        evicted = sum([self._evict(name) for name in update.evict])
        admitted = sum([self._admit(key, step) for key, step in update.admit])
        return CacheUpdateResult(admitted, evicted, len(update.admit) - admitted)

    def snapshot(self) -> CacheSnapshot:
        """Contents as a policy sees them; what is held and waits as well is told as held."""
        waiting = tuple(o for name, o in self.staging.items() if name not in self.outputs)
        return CacheSnapshot(
            store=tuple(self.outputs.values()),
            staging=waiting,
            capacity=self.capacity,
            store_bytes=self.nbytes,
            staging_bytes=sum([output.nbytes for output in waiting]),
        )

    def check(self) -> None:
        """Check the integrity. Raises ValueError where the sums, the keys or the bound are
        broken."""
        total = sum(output.nbytes for output in self.outputs.values())
        if total != self.nbytes:
            raise ValueError(f"the cache holds {total} bytes and counts {self.nbytes}")
        if self.nbytes > self.capacity:
            raise ValueError(f"the cache holds {self.nbytes} bytes where {self.capacity} fit")
        for part in (self.outputs, self.staging):
            for (key, step), output in part.items():
                if (key, step) != (output.prompt_key, output.step):
                    raise ValueError(
                        f"output {output.prompt_key} at step {output.step} is filed under {key} "
                        f"at {step}"
                    )
        furthest: dict[str, int] = {}
        for key, step in self.outputs:
            furthest[key] = max(step, furthest.get(key, 0))
        if {key: output.step for key, output in self.held.items()} != furthest:
            raise ValueError("the index of the cache's prompts names other outputs than it holds")

    def _evict(self, name: Eviction) -> int:
        """How many outputs have left: of a prompt, or of one step of it."""
        if not isinstance(name, str):
            return self._drop(name)
        if not self.several:
            output = self.held.get(name)
            return 0 if output is None else self._drop((name, output.step))
        return sum([self._drop(held) for held in list(self.outputs) if held[0] == name])

    def _drop(self, name: Name) -> int:
        output = self.outputs.pop(name, None)
        if output is None:
            return 0
        self.nbytes -= output.nbytes
        key = output.prompt_key
        if self.held[key] is output:
            del self.held[key]
            if (other := self._furthest(key, output.step)) is not None:
                self.held[key] = other
        return 1

    def _furthest(self, key: str, limit: int) -> CachedOutput | None:
        """A prompt's furthest output up to a step, by looking for it; one step has no other."""
        if not self.several:
            return None
        steps = (step for step in range(limit, 0, -1) if (key, step) in self.outputs)
        step = next(steps, None)
        return None if step is None else self.outputs[key, step]

    def _admit(self, key: str, step: int) -> bool:
        output = self.staging.get((key, step))
        if output is None:
            return False
        old = self.outputs.get((key, step)) if self.several else self.held.get(key)
        after = self.nbytes + output.nbytes - (0 if old is None else old.nbytes)
        if after > self.capacity:
            return False
        if old is not None and old.step != step:
            del self.outputs[key, old.step]
        self.outputs[key, step] = output
        furthest = self.held.get(key)
        if not self.several or furthest is None or furthest.step <= step:
            self.held[key] = output
        self.nbytes = after
        del self.staging[key, step]
        return True
