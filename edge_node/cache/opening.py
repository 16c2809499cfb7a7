"""Opens an edge's disk tier, as its scenario says."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from edge_node.cache.disk import DiskTier, Threads
from edge_node.cache.disk_file import DiskFile
from edge_node.cache.disk_head import Contents
from midstep.clock import Clock
from midstep.errors import ScenarioError
from midstep.reuse.embedding import Embedder, fingerprint
from midstep.scenario import Scenario
from midstep.telemetry.writers import DiskMetrics
from midstep.wire.identity import PipelineIdentity

__all__ = ["in_folder", "open_disk"]

PAGES_BYTES = 16 << 10  # of lmdb: what one output takes beside its own bytes
READERS = 2  # threads: one slow read does not keep all others waiting


def in_folder(scenario: Scenario, folder: Path) -> Scenario:
    """The scenario of one edge, whose disk tier is in that folder."""
    edge = scenario.edge.model_copy(update={"disk_path": str(folder)})
    return scenario.model_copy(update={"edges": (edge,)})


async def open_disk(
    scenario: Scenario,
    identity: PipelineIdentity,
    clock: Clock,
    embedder: Embedder | None,
    frame_bytes: int,
) -> DiskTier | None:
    """The disk tier of a scenario's edge, with what its folder holds; None where it has none. An
    output has `frame_bytes`. Raises ScenarioError, one line."""
    settings = scenario.edge
    if settings.disk is None:
        return None
    least = frame_bytes + PAGES_BYTES
    if settings.disk < least:
        raise ScenarioError(
            f"edges.N.disk of {settings.name}: {settings.disk} bytes cannot hold one output of "
            f"this model ({frame_bytes} bytes, and its pages); give at least {least}"
        )
    path = None if settings.disk_path is None else Path(settings.disk_path)
    capacity = settings.disk
    metrics = DiskMetrics(settings.name, capacity)

    def opened(threads: Threads | None) -> DiskTier:
        durable = threads is not None and path is not None
        contents = Contents(
            pipeline=identity.digest(),
            numbers=scenario.reuse.frame,
            embedder="" if embedder is None else fingerprint(embedder),
        )
        file = DiskFile(path, capacity, contents, durable=durable)
        tier = DiskTier(file, threads, metrics)
        tier.open()
        return tier

    if clock.virtual:
        return opened(None)
    threads = Threads(
        ThreadPoolExecutor(READERS, thread_name_prefix="disk-read"),
        ThreadPoolExecutor(1, thread_name_prefix="disk-write"),
    )
    return await asyncio.get_running_loop().run_in_executor(threads.writer, opened, threads)
