"""Random operations on both tiers, with restarts, kills and damage: never another's output, never
over a capacity, nothing lost that was not evicted; and planted faults of each kind are caught."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from edge_node.cache.base import Entry
from edge_node.cache.disk import DiskTier
from edge_node.cache.disk_file import DiskFile, Record
from edge_node.cache.disk_index import DiskIndex
from edge_node.cache.store import Store
from edge_node.cache.tiers import TieredCache
from midstep.errors import CacheCorrupted
from tests.edge_node.cache.tiered_world import STEPS, TieredWorld

KEYS = st.sampled_from("abcdefgh")
NUMBERS = st.integers(1, STEPS)
SIZES = st.sampled_from([0, 1, 900, 4079, 4080, 4081, 9000, 30_000])


class Tiers(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()

    @initialize(several=st.booleans())
    def begin(self, several: bool) -> None:
        self.world = TieredWorld(Path(self.folder.name), several=several)

    @rule(key=KEYS, step=NUMBERS, nbytes=SIZES)
    def admit(self, key: str, step: int, nbytes: int) -> None:
        self.run(self.world.admit(key, step, nbytes))

    @rule(key=KEYS, step=st.none() | NUMBERS)
    def evict(self, key: str, step: int | None) -> None:
        self.run(self.world.evict(key, step))

    @rule(key=KEYS, limit=NUMBERS)
    def fetch(self, key: str, limit: int) -> None:
        self.run(self.world.fetch(key, limit))

    @rule(key=KEYS)
    def similar(self, key: str) -> None:
        self.run(self.world.similar(key))

    @rule(key=KEYS, at=st.integers(0, 10_000))
    def damage(self, key: str, at: int) -> None:
        self.run(self.world.damage(key, at))

    @rule()
    def reopen(self) -> None:
        self.run(self.world.reopen())

    @rule()
    def kill(self) -> None:
        self.run(self.world.kill())

    def run(self, operation: Coroutine[Any, Any, None]) -> None:
        self.runner.run(operation)

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.run(self.world.close())
        self.runner.close()
        self.folder.cleanup()


TestTiers = Tiers.TestCase
TestTiers.settings = settings(max_examples=15, stateful_step_count=40, deadline=None)


async def at_random(world: TieredWorld, operations: int, seed: int) -> None:
    """So many operations on the world."""
    draw = random.Random(seed)
    for _ in range(operations):
        key = draw.choice("abcdefghijkl")
        step = draw.randint(1, STEPS)
        what = draw.random()
        if what < 0.4:
            await world.admit(key, step, draw.choice([0, 700, 4079, 4081, 9000]))
        elif what < 0.6:
            await world.evict(key, draw.choice([None, step]))
        elif what < 0.9:
            await world.fetch(key, step)
        elif what < 0.93:
            await world.similar(key)
        elif what < 0.97:
            await world.damage(key, draw.randrange(9000))
        elif what < 0.985:
            await world.reopen()
        else:
            await world.kill()
    await world.close()


# planted faults


def foreign(patch: pytest.MonkeyPatch) -> None:
    """The disk hands out whatever stands under the key, unverified: damage is served."""
    patch.setattr("midstep.wire.frame.Frame.verify", lambda self, pipeline, key: None)


def other_step(patch: pytest.MonkeyPatch) -> None:
    """The disk looks up by prompt alone."""
    read = DiskFile.read
    patch.setattr(
        DiskFile,
        "read",
        lambda self, name: read(self, min(r.name for r in self.scan() if r.name[0] == name[0])),
    )


def over_memory(patch: pytest.MonkeyPatch) -> None:
    """Memory takes more than it may."""
    admit = Store.admit

    def admit_more(self: Store, entry: Entry) -> bool:
        capacity = self.capacity
        self.capacity = 2 * capacity
        fits = admit(self, entry)
        self.capacity = capacity
        return fits

    patch.setattr(Store, "admit", admit_more)


def over_disk(patch: pytest.MonkeyPatch) -> None:
    """The disk makes no room."""
    patch.setattr(DiskTier, "_make_room", lambda self, size: None)


def lost_on_the_way(patch: pytest.MonkeyPatch) -> None:
    """What leaves memory does not come to disk where memory let every step go."""
    patch.setattr(TieredCache, "_in_memory", lambda self, key, step: [])


def newest_dropped(patch: pytest.MonkeyPatch) -> None:
    """The most recently used leave the disk."""

    def make_room(self: DiskTier, size: int) -> None:
        while self.index.nbytes + size > self.index.capacity:
            self._lose(next(reversed(self.index.records)), "room")

    patch.setattr(DiskTier, "_make_room", make_room)


def lost_at_opening(patch: pytest.MonkeyPatch) -> None:
    """A restart loses an output."""
    scan = DiskFile.scan
    patch.setattr(DiskFile, "scan", lambda self: scan(self)[1:])


def comes_back(patch: pytest.MonkeyPatch) -> None:
    """What was dropped is not removed from the file, and comes back after a kill."""
    write = DiskFile._write
    patch.setattr(
        DiskFile,
        "_write",
        lambda self, removed, added, touched: write(self, (), added, touched),
    )


def unsaid(patch: pytest.MonkeyPatch) -> None:
    """What left the disk is not said to the index, which finds it still."""
    patch.setattr(TieredCache, "_left_disk", lambda self, key, step: None)


def stale_version(patch: pytest.MonkeyPatch) -> None:
    """An older output of the same name stays on disk."""

    def put(self: DiskTier, entry: Entry) -> bool:
        name = entry.frame.prompt_key, entry.frame.step
        if name in self.index.records:
            self.touch(name)
            return True
        return right(self, entry)

    right = DiskTier.put
    patch.setattr(DiskTier, "put", put)


def miscounted(patch: pytest.MonkeyPatch) -> None:
    """An output's bytes on disk are counted as the frame's."""
    add = DiskIndex.add

    def add_less(self: DiskIndex, record: Record) -> None:
        add(self, record)
        self.nbytes -= 1

    patch.setattr(DiskIndex, "add", add_less)


FAULTS = [
    foreign,
    other_step,
    over_memory,
    over_disk,
    lost_on_the_way,
    newest_dropped,
    lost_at_opening,
    comes_back,
    unsaid,
    stale_version,
    miscounted,
]


def test_without_a_fault_nothing_is_caught(tmp_path: Path) -> None:
    world = TieredWorld(tmp_path, several=True)
    asyncio.run(at_random(world, 600, seed=1))
    assert world.puts > 100 and world.events.lost_by["damaged"] > 0


@pytest.mark.parametrize("plant", FAULTS, ids=lambda fault: str(fault.__name__))
def test_a_planted_fault_is_caught(
    plant: Callable[[pytest.MonkeyPatch], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    with pytest.raises((AssertionError, CacheCorrupted)):
        asyncio.run(at_random(TieredWorld(tmp_path, several=True), 600, seed=1))
