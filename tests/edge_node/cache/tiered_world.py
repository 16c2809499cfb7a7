"""A tiered cache beside a model of it, for random operations: compared after each of them.

The model is lists and dictionaries. An output's payload follows from its name and a version, so
that another's output, an old one, or a damaged one shows.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import random
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_node.cache.base import Entry
from edge_node.cache.disk import DiskTier, Threads
from edge_node.cache.disk_file import DiskFile
from edge_node.cache.disk_head import Contents, Name
from edge_node.cache.indexed import IndexedStore
from edge_node.cache.store import Store
from edge_node.cache.tiers import TieredCache
from midstep.reuse.likeness import Grammar
from midstep.wire.frame import Frame

PIPELINE = "pipeline"
STEPS = 8
MEMORY = 24_000
DISK = 120_000
DIMENSIONS = 16


def make(key: str, step: int, version: int, nbytes: int) -> Entry:
    """An output whose payload follows from these, and begins with its version."""
    noise = random.Random(f"{key} {step} {version}").randbytes(nbytes)
    payload = (version.to_bytes(8, "little") + noise)[:nbytes]
    frame = Frame.seal(PIPELINE, key, step, STEPS, payload)
    return Entry(f"prompt of {key}", frame, embedding=embed(f"prompt of {key}"))


@functools.lru_cache(maxsize=10_000)
def embed(prompt: str) -> NDArray[np.float32]:
    """A prompt's embedding, of unit length."""
    seed = int.from_bytes(hashlib.blake2b(prompt.encode(), digest_size=4).digest(), "big")
    vector = np.random.default_rng(seed).normal(size=DIMENSIONS).astype(np.float32)
    return vector / np.linalg.norm(vector)


def version_of(entry: Entry) -> int:
    """The version of an undamaged output of `make`. Raises AssertionError where it is none."""
    frame = entry.frame
    version = int.from_bytes(frame.payload[:8], "little")
    assert entry == make(frame.prompt_key, frame.step, version, frame.nbytes)
    return version


def name_of(entry: Entry) -> Name:
    return entry.frame.prompt_key, entry.frame.step


class Events:
    """Counts of what the disk lost, by reason, and of reads."""

    def __init__(self) -> None:
        self.lost_by: dict[str, int] = {"damaged": 0, "room": 0}
        self.reads = 0

    def __str__(self) -> str:
        lost = ", ".join(f"{count} {reason}" for reason, count in self.lost_by.items())
        return f"{self.reads} reads from disk, lost: {lost}"

    def read(self, seconds: float) -> None:
        self.reads += 1

    def lost(self, reason: str) -> None:
        self.lost_by[reason] = self.lost_by.get(reason, 0) + 1

    def holds(self, entries: int, nbytes: int) -> None:
        assert (entries == 0) == (nbytes == 0)


class TieredWorld:
    """The cache in `folder`, and its model. Raises AssertionError where they differ; everything is
    compared after every `thorough` operations, what one of them touched after each."""

    def __init__(
        self,
        folder: Path,
        *,
        several: bool = False,
        threads: Callable[[], Threads] | None = None,
        memory: int = MEMORY,
        disk: int = DISK,
        thorough: int = 1,
    ) -> None:
        self.folder = folder
        self.several = several
        self.threads = threads
        self.capacities = memory, disk
        self.thorough = thorough
        self.events = Events()
        self._grammar = Grammar(None)
        self.memory: dict[Name, Entry] = {}
        self.memory_bytes = 0
        self.disk: OrderedDict[Name, Entry] = OrderedDict()  # least recently used first
        self.sizes: dict[Name, int] = {}
        self.damaged: set[Name] = set()
        self.gone: list[Name] = []  # what the cache says that it has dropped
        self.leaving: list[Name] = []  # what the model took from a tier in this operation
        self.puts = 0
        self.put_bytes = 0
        self.most = 0
        self.restarts = 0
        self.kills = 0
        self.operations = 0
        self.cache, self.tier = self.open()

    def open(self) -> tuple[IndexedStore, DiskTier]:
        """The cache on what the folder holds."""
        memory, disk = self.capacities
        file = DiskFile(self.folder, disk, Contents(pipeline=PIPELINE), durable=False)
        self.pools = self.threads() if self.threads is not None else None
        tier = DiskTier(file, self.pools, self.events)
        tier.open()
        tiers = TieredCache(Store(memory, self.several), tier)
        cache = IndexedStore(
            tiers, self._grammar, DIMENSIONS, lambda prompt: prompt.removeprefix("prompt of ")
        )
        forget = tiers.dropped

        def dropped(key: str, step: int) -> None:
            self.gone.append((key, step))
            forget(key, step)

        tiers.dropped = dropped
        cache.fill(self._unneeded)
        return cache, tier

    def _unneeded(self, prompt: str) -> NDArray[np.float32]:
        raise AssertionError(f"the embedding of {prompt!r} is on the disk")

    async def admit(self, key: str, step: int, nbytes: int) -> None:
        """A new version of an output comes into memory."""
        entry = make(key, step, self.puts, nbytes)
        replaced = {(key, step)} if self.several else {(key, s) for s in range(1, STEPS + 1)}
        replaced &= self.memory.keys()
        after = nbytes + self.memory_bytes - sum(self.memory[n].frame.nbytes for n in replaced)
        fits = after <= self.capacities[0]
        assert self.cache.admit(entry) == fits
        if fits:
            self.puts += 1
            self.put_bytes += nbytes
            for name in replaced:
                self._from_memory(name)
            self.memory[key, step] = entry
            self.memory_bytes = after
            for other in range(1, STEPS + 1):
                if not self.several and other != step and (key, other) in self.disk:
                    self._from_disk((key, other))
        self._compare()

    async def evict(self, key: str, step: int | None) -> None:
        """The policy lets an output go: to disk."""
        steps = range(STEPS, 0, -1) if step is None else [step]
        leaving = [(key, s) for s in steps if (key, s) in self.memory]
        assert self.cache.evict(key, step) == len(leaving)
        for name in leaving:
            self._to_disk(self._from_memory(name))
        self._compare()

    async def fetch(self, key: str, limit: int) -> None:
        """A request: the furthest output of both tiers within its limit, undamaged."""
        hit = await self.cache.fetch(key, limit)
        expected: tuple[Entry, str] | None = None
        for step in range(limit, 0, -1):
            name = key, step
            if name in self.memory:
                expected = self.memory[name], "store"
                break
            if name in self.damaged:
                self._from_disk(name)
            elif name in self.disk:
                self.disk.move_to_end(name)
                expected = self.disk[name], "disk"
                break
        assert (None if hit is None else (hit.entry, hit.tier)) == expected
        assert hit is None or hit.step == hit.entry.frame.step
        self._compare()

    async def similar(self, key: str) -> None:
        """A request for a like prompt's output: the nearest in the index, from whatever tier."""
        prompt = f"prompt of {key}"
        neighbours = self.cache.nearest(embed(prompt), self._grammar.parts(prompt))
        names = list(neighbours.names)
        assert len(names) == len(self.memory.keys() | self.disk.keys())
        if not names:
            return
        donor, step = names[int(np.argmax(neighbours.similarity))]
        held = {name[0] for name in names}
        assert donor == key if key in held else donor in held
        await self.fetch(donor, step)

    async def burst(self, requests: list[tuple[str, int]]) -> None:
        """Requests at once, for different prompts, while the disk is written."""
        hits = await asyncio.gather(*(self.cache.fetch(key, limit) for key, limit in requests))
        for (key, limit), hit in zip(requests, hits, strict=True):
            expected: Entry | None = None
            for name in ((key, step) for step in range(limit, 0, -1)):
                if name in self.damaged:
                    self._from_disk(name)
                    continue
                expected = self.memory.get(name) or self.disk.get(name)
                if expected is not None:
                    break
            assert (None if hit is None else hit.entry) == expected
        # their last uses are in the order in which they were read
        order = self.tier.index.names()
        assert set(order) == self.disk.keys()
        self.disk = OrderedDict((name, self.disk[name]) for name in order)
        self._compare()

    async def damage(self, key: str, at: int) -> None:
        """A byte of an output's payload changes on the disk, behind everybody's back."""
        names = [(key, s) for s in range(1, STEPS + 1) if (key, s) in self.disk]
        name = next((n for n in names if n not in self.damaged and n not in self.memory), None)
        if name is None or len(self.disk[name].frame.payload) < 16:
            return
        await self.tier.flush()
        payload = self.disk[name].frame.payload
        file = self.folder / "data.mdb"
        content = file.read_bytes()
        if content.count(payload) > 1:
            return  # an older page has it, too: which one counts is lmdb's own business
        offset = at % len(payload)
        with file.open("r+b") as handle:
            handle.seek(content.index(payload) + offset)
            handle.write(bytes([payload[offset] ^ 0x40]))
        self.damaged.add(name)

    async def reopen(self) -> None:
        """The process ends in order, and another begins: memory is on disk as far as it fits."""
        self.restarts += 1
        names = [(output.prompt_key, output.step) for output in self.cache.snapshot()]
        assert set(names) == self.memory.keys()
        await self.cache.close()
        for name in names:
            self._to_disk(self._from_memory(name))
        self.cache, self.tier = self.open()
        self._compare(whole=True)

    async def kill(self) -> None:
        """The process is killed once all is written, and another begins: memory is lost; the order
        of last uses may be an older one."""
        self.kills += 1
        if self.pools is not None:
            await self.tier.flush()
            self.pools.close()
        self.tier.file.close()
        for name in list(self.memory):
            self._from_memory(name)
        self.cache, self.tier = self.open()
        order = self.tier.index.names()
        assert set(order) == set(self.disk), "what was written is not what is found"
        self.disk = OrderedDict((name, self.disk[name]) for name in order)
        self._compare(whole=True)

    async def close(self) -> None:
        """End."""
        await self.cache.close()

    def victim(self, draw: random.Random) -> Name:
        """An output in memory: the oldest, or some other."""
        if draw.random() < 0.9:
            return next(iter(self.memory))
        return draw.choice(list(self.memory))

    def _from_memory(self, name: Name) -> Entry:
        entry = self.memory.pop(name)
        self.memory_bytes -= entry.frame.nbytes
        self.leaving.append(name)
        return entry

    def _from_disk(self, name: Name) -> None:
        del self.disk[name]
        del self.sizes[name]
        self.damaged.discard(name)
        self.leaving.append(name)

    def _to_disk(self, entry: Entry) -> None:
        name = name_of(entry)
        if name in self.disk and self.disk[name].frame == entry.frame:
            self.disk.move_to_end(name)
            return
        if name in self.disk:
            self._from_disk(name)
        size = self.tier.file.record(entry, 0).size
        if size > self.capacities[1]:
            return
        used = size + sum(self.sizes.values())
        while used > self.capacities[1]:
            oldest = next(iter(self.disk))
            used -= self.sizes[oldest]
            self._from_disk(oldest)
        self.disk[name] = entry
        self.sizes[name] = size

    def _compare(self, whole: bool = False) -> None:
        """Compare cache and model. `whole`: after a restart, of which no index is told."""
        self.operations += 1
        memory, disk = self.capacities
        assert self.cache.nbytes == self.memory_bytes <= memory
        assert len(self.cache) == len(self.memory)
        assert self.tier.index.nbytes <= disk
        assert len(self.tier.index) == len(self.disk)
        self.most = max(self.most, len(self.disk))
        if not whole:
            gone = {n for n in self.leaving if n not in self.memory and n not in self.disk}
            assert sorted(self.gone) == sorted(gone), "what left was not said"
        self.gone.clear()
        self.leaving.clear()
        if not whole and self.operations % self.thorough:
            return
        self.cache.check()
        names = {(output.prompt_key, output.step) for output in self.cache.snapshot()}
        assert names == self.memory.keys(), "memory holds something else"
        order = self.tier.index.names()
        assert order == list(self.disk), "the disk holds something else, or in another order"
        assert set(self.cache.nearest(embed("any"), self._grammar.parts("any")).names) == names | (
            self.disk.keys()
        )
        held = {(held.prompt_key, held.step) for held in self.cache.held()}
        assert held == self.memory.keys() | self.disk.keys()
