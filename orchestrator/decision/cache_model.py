"""The edge's cache without its frames: how an update is applied, written once for every simulation.

The law is the edge's own (`edge_node.edge.Edge.apply`): evictions first, then admissions from
staging; what is not there, or does not fit, is counted and never forced; the bytes held never
exceed the capacity; a prompt has at most one output, or `several` at different steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, KeysView

from midstep.wire.messages_control import (
    CachedOutput,
    CacheSnapshot,
    CacheUpdate,
    CacheUpdateResult,
    Eviction,
)

__all__ = ["CacheModel", "evicted_prompt", "is_whole"]

Name = tuple[str, int]  # prompt_key and step


def evicted_prompt(eviction: Eviction) -> str:
    """The prompt_key of an eviction, which may name a step."""
    return eviction if isinstance(eviction, str) else eviction[0]


def is_whole(update: CacheUpdate, result: CacheUpdateResult, several: bool) -> bool:
    """Whether an update was surely carried out in full. Where a prompt may be held at `several`
    steps, an eviction of all of them counts as often, and beside others it could hide one that
    found nothing."""
    if result.refused or result.evicted < len(update.evict):
        return False
    unsure = several and any(isinstance(eviction, str) for eviction in update.evict)
    return not unsure or len(update.evict) == 1


def _nothing(*what: object) -> None:
    """Nobody wants to know who comes and goes."""


class CacheModel:
    """Outputs by prompt_key and step, in order of admission, and those that wait in staging.
    `capacity` and sizes are bytes, or any other unit that both share.

    An update calls `admitted` with each output that enters, also in place of itself, and `dropped`
    with prompt_key and step of each that leaves, in the edge's order.
    """

    admitted: Callable[[CachedOutput], None] = staticmethod(_nothing)
    dropped: Callable[[str, int], None] = staticmethod(_nothing)

    def __init__(self, capacity: int, several: bool = False) -> None:
        self.capacity = capacity
        self.several = several
        self.held: dict[Name, CachedOutput] = {}
        self.staging: dict[Name, CachedOutput] = {}
        self.nbytes = 0
        self._steps: dict[str, list[int]] = {}  # of each prompt that is held

    @classmethod
    def of(cls, snapshot: CacheSnapshot, several: bool = False) -> CacheModel:
        """The cache that a snapshot was taken of."""
        model = cls(snapshot.capacity, several)
        model.hold(snapshot.store)
        model.stage(snapshot.staging)
        return model

    def holds(self, prompt_key: str) -> bool:
        """Whether the store has an output of that prompt."""
        return prompt_key in self._steps

    def output(self, prompt_key: str) -> CachedOutput | None:
        """The furthest output that the store has of a prompt."""
        steps = self._steps.get(prompt_key)
        return self.held[prompt_key, max(steps)] if steps else None

    def lookup(self, prompt_key: str, limit: int) -> CachedOutput | None:
        """The furthest output of a prompt whose step is at most `limit`."""
        step = max((step for step in self._steps.get(prompt_key, ()) if step <= limit), default=0)
        return self.held[prompt_key, step] if step else None

    @property
    def prompts(self) -> KeysView[str]:
        """The prompts that the store has outputs of."""
        return self._steps.keys()

    def stage(self, outputs: Iterable[CachedOutput]) -> None:
        """Let fresh outputs wait, each in place of an older one of the same prompt and step."""
        for output in outputs:
            name = output.prompt_key, output.step
            self.staging.pop(name, None)
            self.staging[name] = output

    def hold(self, outputs: Iterable[CachedOutput]) -> None:
        """Hold just these outputs, whoever chose them."""
        self.held = {(output.prompt_key, output.step): output for output in outputs}
        self.nbytes = sum(output.nbytes for output in self.held.values())
        self._steps = {}
        for key, step in self.held:
            self._steps.setdefault(key, []).append(step)

    def apply(self, update: CacheUpdate) -> CacheUpdateResult:
        """Evict, then admit from staging."""
        evicted = sum([self._evict(eviction) for eviction in update.evict])
        admitted = sum([self._admit(key, step) for key, step in update.admit])
        return CacheUpdateResult(admitted, evicted, len(update.admit) - admitted)

    def snapshot(self) -> CacheSnapshot:
        """Contents as a policy sees them; what is held and waits as well is told as held."""
        waiting = tuple(o for name, o in self.staging.items() if name not in self.held)
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
            for (key, step), output in part.items():
                if (key, step) != (output.prompt_key, output.step):
                    raise ValueError(
                        f"step {output.step} of output {output.prompt_key} is filed under step "
                        f"{step} of {key}"
                    )
        if {(key, step) for key, steps in self._steps.items() for step in steps} != set(self.held):
            raise ValueError("the index of the cache's prompts names other outputs than it holds")
        if not self.several and len(self._steps) < len(self.held):
            raise ValueError("the cache holds two steps of a prompt")

    def _evict(self, eviction: Eviction) -> int:
        key, step = (eviction, None) if isinstance(eviction, str) else eviction
        steps = self._steps.get(key, [])
        leaving = [old for old in steps if step is None or old == step]
        for old in leaving:
            self._drop(key, old)
        return len(leaving)

    def _admit(self, key: str, step: int) -> bool:
        output = self.staging.get((key, step))
        if output is None:
            return False
        steps = self._steps.get(key, [])
        leaving = [old for old in steps if old == step or not self.several]
        freed = sum(self.held[key, old].nbytes for old in leaving)
        if self.nbytes + output.nbytes - freed > self.capacity:
            return False
        for old in leaving:
            if old != step:
                self._drop(key, old)
        if step not in leaving:
            self._steps.setdefault(key, []).append(step)
        old_bytes = self.held[key, step].nbytes if step in leaving else 0
        self.nbytes += output.nbytes - old_bytes
        self.held[key, step] = output
        del self.staging[key, step]
        self.admitted(output)
        return True

    def _drop(self, key: str, step: int) -> None:
        """Take an output out of the store."""
        self.nbytes -= self.held.pop((key, step)).nbytes
        steps = self._steps[key]
        steps.remove(step)
        if not steps:
            del self._steps[key]
        self.dropped(key, step)
