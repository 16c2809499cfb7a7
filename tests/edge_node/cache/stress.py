"""The long run over both tiers: `python -m tests.edge_node.cache.stress --operations 1000000`.

Random operations with threads that read and write, restarts, damage and bursts of requests,
compared with a model; before that, processes that write are killed (SIGKILL) in the middle of it.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from edge_node.cache.disk import DiskTier, Threads
from edge_node.cache.disk_file import DiskFile
from edge_node.cache.disk_head import Contents
from edge_node.cache.store import Store
from edge_node.cache.tiers import TieredCache
from tests.edge_node.cache.tiered_world import PIPELINE, STEPS, TieredWorld, make, version_of

KEYS = 4000
SIZES = (16, 200, 900, 4079, 4081, 9000)
MEMORY = 500_000
DISK = 8_000_000
CHILD_KEYS = 300
CHILD_DISK = 64 << 20


def threads() -> Threads:
    """A pair of pools, as an edge has."""
    return Threads(ThreadPoolExecutor(2), ThreadPoolExecutor(1))


async def operate(operations: int, seed: int, folder: Path) -> TieredWorld:
    """So many random operations, with restarts."""
    draw = random.Random(seed)
    several = bool(seed % 2)
    world = TieredWorld(
        folder, several=several, threads=threads, memory=MEMORY, disk=DISK, thorough=500
    )
    keys = [f"key {number}" for number in range(KEYS)]
    began = time.monotonic()
    while world.operations < operations:
        key = keys[min(int(draw.expovariate(4 / KEYS)), KEYS - 1)]
        step = draw.randint(1, STEPS)
        what = draw.random()
        if what < 0.40:
            nbytes = draw.choice(SIZES)
            while world.memory_bytes + nbytes > MEMORY:
                await world.evict(*world.victim(draw))
            await world.admit(key, step, nbytes)
        elif what < 0.45:
            await world.evict(key, draw.choice([None, step]))
        elif what < 0.94:
            await world.fetch(key, step)
        elif what < 0.96:
            await world.similar(key)
        elif what < 0.9995:
            await world.burst([(k, step) for k in draw.sample(keys[:500], 6)])
        elif what < 0.9998:
            await world.damage(key, draw.randrange(9000))
        elif what < 0.9999:
            await world.reopen()
        else:
            await world.kill()
        if world.operations % 50_000 == 0:
            print(f"{world.operations} operations, {world.puts} puts, {world.events}", flush=True)
    await world.close()
    spent = time.monotonic() - began
    print(
        f"{world.operations} operations in {spent:.0f} s, {world.most} outputs at most, "
        f"{world.puts} puts "
        f"({world.put_bytes / (MEMORY + DISK):.0f} x the capacity), {world.restarts} restarts, "
        f"{world.kills} kills; {world.events}: nothing foreign, nothing lost, never over"
    )
    return world


async def write(folder: Path) -> None:
    """What the process does that is killed: outputs leave memory for the disk; each line says up to
    which all are written."""
    tier = DiskTier(DiskFile(folder, CHILD_DISK, Contents(pipeline=PIPELINE)), threads())
    tier.open()
    cache = TieredCache(Store(200_000), tier)
    version = max(
        (version_of(e) for e in [await tier.read(n) for n in tier.index.names()] if e), default=0
    )
    draw = random.Random(version)
    while True:
        for _ in range(draw.randint(1, 40)):
            version += 1
            key = f"key {version % CHILD_KEYS}"
            assert cache.admit(make(key, 6, version, draw.choice(SIZES)))
            cache.evict(key)
            await asyncio.sleep(0)
        if draw.random() < 0.5:
            await tier.flush()
            print(version, flush=True)


def kill(folder: Path, draw: random.Random) -> tuple[int, int]:
    """Kill a writing process, and look at what it left: how many outputs, and how many of them are
    newer than what it had said to be written. Raises AssertionError for a damaged one, or one that
    is missing."""
    command = [sys.executable, "-m", __spec__.name, "--write", str(folder)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    written = int(child.stdout.readline())
    for _ in range(draw.randint(0, 30)):
        written = int(child.stdout.readline())
    time.sleep(draw.uniform(0, 0.03))  # at any instant of its work
    child.send_signal(signal.SIGKILL)
    for line in child.stdout.read().split("\n")[:-1]:
        written = int(line)
    child.wait()
    file = DiskFile(folder, CHILD_DISK, Contents(pipeline=PIPELINE))
    found = {}
    for record in file.scan():
        entry = file.read(record.name)
        assert entry is not None
        found[record.name] = version_of(entry)
    assert file.damaged == 0
    file.close()
    for key in range(CHILD_KEYS):
        last = written - (written - key) % CHILD_KEYS
        if last > 0:
            assert found.get((f"key {key}", 6), 0) >= last, "what was written is missing"
    return len(found), sum(version > written for version in found.values())


def main() -> None:
    """Run what the options say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int, default=1_000_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        asyncio.run(write(options.write))
        return
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        for number in range(options.kills):
            outputs, newer = kill(Path(name), draw)
            print(
                f"kill -9 {number + 1}: {outputs} outputs, none damaged, none missing, {newer} "
                f"newer than it had said",
                flush=True,
            )
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(operate(options.operations, options.seed, Path(name)))


if __name__ == "__main__":
    main()
