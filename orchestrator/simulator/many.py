"""Lanes over the machine's cores: a lane knows of no other, so that how they are cut changes nothing but the time."""

from __future__ import annotations

import multiprocessing
import os
import queue
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.simulator.presets import Preset

Floats = NDArray[np.float64]
Results = dict[str, dict[str, Floats]]  # policy -> metric -> one value a lane
Job = tuple[list[tuple[Preset, int]], tuple[str, ...], int, int]


def play_lanes(
    lanes: Sequence[tuple[Preset, int]],
    names: Sequence[str],
    slots: int,
    warmup: int,
    progress: Callable[[float], None] | None = None,
    jobs: int | None = None,
) -> Results:
    """Every policy in every lane of a closed catalogue; `progress` is told the share that is done.

    `jobs` processes at most (None: one for each core that this process may use). Raises ScenarioError.
    """
    jobs = min(len(lanes), jobs or len(os.sched_getaffinity(0)))
    cuts = [list(part) for part in np.array_split(np.arange(len(lanes)), jobs)]
    work: list[Job] = [([lanes[i] for i in cut], tuple(names), slots, warmup) for cut in cuts]
    if jobs == 1:
        told = _play(work[0], lambda: None if progress is None else progress(1 / slots))
        return told
    context = multiprocessing.get_context("spawn")  # a forked process with torch's threads in it may hang
    with context.Manager() as manager:
        done = manager.Queue()
        with ProcessPoolExecutor(jobs, mp_context=context) as pool:
            futures = [pool.submit(_worker, job, done) for job in work]
            while not all(future.done() for future in futures):
                _listen(done, progress, 1 / (slots * jobs))
            parts = [future.result() for future in futures]
    return {
        name: {metric: np.concatenate([part[name][metric] for part in parts]) for metric in parts[0][name]}
        for name in parts[0]
    }


def _listen(done: Any, progress: Callable[[float], None] | None, share: float) -> None:
    try:
        count = done.get(timeout=0.2)
    except queue.Empty:
        return
    if progress is not None:
        progress(count * share)


def _worker(job: Job, done: Any) -> Results:
    waiting = 0

    def tick() -> None:
        nonlocal waiting
        waiting += 1
        if waiting == 50:
            done.put(waiting)
            waiting = 0

    return _play(job, tick)


def _play(job: Job, tick: Callable[[], None]) -> Results:
    from midstep.tuning import bind_threads
    from orchestrator.simulator.closed import metrics, play_all

    bind_threads(1)
    lanes, names, slots, warmup = job
    plays = play_all(lanes, names, slots, warmup, tick=lambda _: tick())
    return {name: metrics(play) for name, play in plays.items()}


def interval(values: Sequence[float] | Floats) -> dict[str, float | None]:
    """Mean over seeds and the half-width of its 95 % interval (Student's t); nulls where there is nothing to say."""
    from scipy.stats import t

    array = np.asarray(values, np.float64)
    array = array[np.isfinite(array)]
    if not array.size:
        return {"mean": None, "ci95": None}
    if array.size == 1:
        return {"mean": float(array[0]), "ci95": None}
    half = float(t.ppf(0.975, array.size - 1) * array.std(ddof=1) / np.sqrt(array.size))
    return {"mean": float(array.mean()), "ci95": half}


def summarised(results: Mapping[str, Mapping[str, Sequence[float] | Floats]]) -> dict[str, dict[str, Any]]:
    """`policies` of summary.json."""
    return {name: {metric: interval(v) for metric, v in metrics.items()} for name, metrics in results.items()}
