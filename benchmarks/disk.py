"""A warm disk tier: `python -m benchmarks.disk --bytes 1GB`.

Fills a folder, ends, and begins anew in another process, as a run after a run: how long until all
that the folder holds is known, until the first hit is served from it, how long reads take, and
whether all is found. `--frame` is a frame's size, that of the shipped model's by default.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from edge_node.cache.base import Entry
from edge_node.cache.disk import DiskTier, Threads
from edge_node.cache.disk_file import DiskFile
from edge_node.cache.disk_head import Contents
from edge_node.cache.store import Store
from edge_node.cache.tiers import TieredCache
from midstep import units
from midstep.wire.frame import Frame

PIPELINE = "0123456789abcdef" * 2
STEPS = 20
DIMENSIONS = 256
EMBEDDER = "words 256"


def make(number: int, nbytes: int) -> Entry:
    """An output of its number."""
    draw = random.Random(number)
    key = draw.randbytes(16).hex()
    frame = Frame.seal(PIPELINE, key, draw.randint(2, 14), STEPS, draw.randbytes(nbytes))
    vector = np.frombuffer(draw.randbytes(2 * DIMENSIONS), np.int16).astype(np.float32)
    vector /= np.linalg.norm(vector)
    return Entry(f"a picture of thing {number} on a beach", frame, embedding=vector)


def opened(folder: Path, capacity: int) -> tuple[TieredCache, DiskTier]:
    """The tiers of an edge on that folder."""
    threads = Threads(ThreadPoolExecutor(2), ThreadPoolExecutor(1))
    contents = Contents(pipeline=PIPELINE, embedder=EMBEDDER)
    disk = DiskTier(DiskFile(folder, capacity, contents), threads)
    disk.open()
    return TieredCache(Store(64 << 20), disk), disk


async def fill(folder: Path, capacity: int, nbytes: int) -> tuple[int, float]:
    """Put outputs until the oldest leave; how many are there, and bytes written a second."""
    cache, disk = opened(folder, capacity)
    began = time.perf_counter()
    number = 0
    size = disk.file.record(make(0, nbytes), 0).size
    while disk.index.nbytes + size <= capacity:
        if disk.backlog.refuses(nbytes):
            await disk.flush()
        disk.put(make(number, nbytes))
        number += 1
    await disk.flush()
    spent = time.perf_counter() - began
    await cache.close()
    return number, number * nbytes / spent


async def restart(folder: Path, capacity: int, nbytes: int, count: int) -> dict[str, float]:
    """In a process that has just begun: seconds until it is open, and until the first hit."""
    began = time.perf_counter()
    began_cpu = time.process_time()
    cache, disk = opened(folder, capacity)
    opened_s = time.perf_counter() - began
    opened_cpu_s = time.process_time() - began_cpu
    first = make(count // 2, nbytes)
    hit = await cache.fetch(first.frame.prompt_key, STEPS)
    first_s = time.perf_counter() - began
    assert hit is not None and hit.entry == first
    reads = []
    draw = random.Random(1)
    for _ in range(min(2000, count)):
        entry = make(draw.randrange(count), nbytes)
        before = time.perf_counter()
        hit = await cache.fetch(entry.frame.prompt_key, STEPS)
        reads.append(time.perf_counter() - before)
        assert hit is not None and hit.entry == entry
    outputs = len(disk.index)
    await cache.close()
    return {
        "found": outputs,
        "open_s": opened_s,
        "open_cpu_s": opened_cpu_s,
        "first_hit_s": first_s,
        "read_p50_ms": 1e3 * float(np.median(reads)),
        "read_p99_ms": 1e3 * float(np.quantile(reads, 0.99)),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bytes", type=units.size, default=10**9)
    parser.add_argument("--frame", type=units.size, default=8304)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--restart", type=int, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.restart is not None:
        figures = asyncio.run(
            restart(options.folder, options.bytes, options.frame, options.restart)
        )
        print(json.dumps(figures))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        count, rate = asyncio.run(fill(Path(name), options.bytes, options.frame))
        print(f"{count} outputs of {options.frame} bytes written, {rate / 1e6:.0f} MB/s")
        file = Path(name) / "data.mdb"
        print(f"{options.bytes} bytes of capacity, the file has {file.stat().st_size}")
        command = [sys.executable, "-m", "benchmarks.disk", "--restart", str(count)]
        command += ["--bytes", str(options.bytes), "--frame", str(options.frame)]
        command += ["--folder", name]
        began = time.perf_counter()
        child = subprocess.run(command, capture_output=True, text=True, check=True)
        spent = time.perf_counter() - began
        figures = json.loads(child.stdout)
        print(f"after a restart {figures['found']} of {count} are found:")
        print(f"  open after {figures['open_s']:.2f} s, of which {figures['open_cpu_s']:.2f} s CPU")
        print(f"  first hit after {figures['first_hit_s']:.2f} s")
        print(f"  a read: p50 {figures['read_p50_ms']:.3f} ms, p99 {figures['read_p99_ms']:.3f} ms")
        print(f"  the whole second process: {spent:.1f} s")


if __name__ == "__main__":
    main()
