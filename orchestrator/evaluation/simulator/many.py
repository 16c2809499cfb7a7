"""Lanes over the machine's cores: a lane knows of no other, so that how they are cut changes
nothing but the time."""

from __future__ import annotations

import multiprocessing
import queue
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from signal import SIGTERM
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from midstep.machine import usable_cores
from orchestrator.evaluation.simulator.presets import Preset
from orchestrator.records.statistics import Floats, over_seeds

if TYPE_CHECKING:
    from orchestrator.evaluation.simulator.compare import Series
    from orchestrator.policies.registry.outside import PolicyText

__all__ = [
    "SIDE_BY_SIDE",
    "Progress",
    "Results",
    "Workers",
    "play_lanes",
    "play_series",
    "summarised",
]

T = TypeVar("T")
Results = dict[str, dict[str, Floats]]  # policy -> metric -> one value a lane
Job = tuple[list[tuple[Preset, int]], tuple[str, ...], int, int]
Progress = Callable[[float], None] | None
Task = Callable[[Job, Callable[[], None]], T]
# lanes in one program: more share a network's overhead, and fall out of the processor's cache
SIDE_BY_SIDE = 16


class Workers:
    """`jobs` processes (None: one for each core that this process may use) that import and compile
    once for all of their tasks; with one, everything happens here. A context manager."""

    def __init__(self, jobs: int | None = None) -> None:
        self.jobs = jobs or max(1, int(usable_cores()))
        self._pool: ProcessPoolExecutor | None = None
        self._previous = signal.getsignal(SIGTERM)
        self._others = set(multiprocessing.active_children())  # somebody else's

    def __enter__(self) -> Workers:
        if (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(SIGTERM) is signal.SIG_DFL
        ):
            # else the workers would outlive this process
            signal.signal(SIGTERM, signal.default_int_handler)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(SIGTERM, self._previous)
        if self._pool is None:
            return
        if kind is not None:  # Ctrl-C, or a worker's error: what the others do is in vain
            for process in set(multiprocessing.active_children()) - self._others:
                process.terminate()
        self._pool.shutdown(cancel_futures=True)

    def spread(self, task: Task[T], work: Sequence[Job], progress: Progress) -> list[T]:
        """`task` of every job; a task calls its second argument once a slot."""
        share = 1 / sum(slots for *_, slots, _ in work)
        if self.jobs == 1 or (len(work) == 1 and self._pool is None):
            return [
                task(job, lambda: None if progress is None else progress(share)) for job in work
            ]
        # a forked process with torch's threads in it may hang
        context = multiprocessing.get_context("spawn")
        if self._pool is None:
            from orchestrator import policies

            self._pool = ProcessPoolExecutor(
                self.jobs, mp_context=context, initializer=_prepare, initargs=(policies.loaded(),)
            )
        with context.Manager() as manager:
            done = manager.Queue()
            futures = [self._pool.submit(_worker, task, job, done) for job in work]
            while not all(future.done() for future in futures):
                _listen(done, progress, share)
            return [future.result() for future in futures]


def play_lanes(
    lanes: Sequence[tuple[Preset, int]],
    names: Sequence[str],
    slots: int,
    warmup: int,
    progress: Progress = None,
    jobs: int | None = None,
    workers: Workers | None = None,
) -> Results:
    """Every policy in every lane of a closed catalogue; `progress` gets the share that was done
    since its last call.

    By `workers`, else by `jobs` processes at most that end with the call. Raises ScenarioError.
    """
    if workers is None:
        with Workers(jobs) as hired:
            return play_lanes(lanes, names, slots, warmup, progress, workers=hired)
    rounds = -(-len(lanes) // (workers.jobs * SIDE_BY_SIDE))
    cuts = np.array_split(np.arange(len(lanes)), min(len(lanes), workers.jobs * rounds))
    work: list[Job] = [([lanes[i] for i in cut], tuple(names), slots, warmup) for cut in cuts]
    parts = workers.spread(_play, work, progress)
    return {
        name: {
            metric: np.concatenate([part[name][metric] for part in parts])
            for metric in parts[0][name]
        }
        for name in parts[0]
    }


def play_series(
    lanes: Sequence[tuple[Preset, int]],
    names: Sequence[str],
    slots: int,
    workers: Workers,
    progress: Progress = None,
) -> list[dict[str, Series]]:
    """What every policy did over time, each lane by itself: lanes side by side have only a mean
    loss."""
    return workers.spread(_follow, [([lane], tuple(names), slots, 0) for lane in lanes], progress)


def _prepare(outside: list[PolicyText]) -> None:
    """Leave Ctrl-C to the first process, and register the policies from outside that it had
    loaded."""
    from orchestrator import policies

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    policies.reload(outside)


def _listen(done: Any, progress: Progress, share: float) -> None:
    try:
        count = done.get(timeout=0.2)
    except queue.Empty:
        return
    if progress is not None:
        progress(count * share)


def _worker(task: Task[T], job: Job, done: Any) -> T:
    waiting = 0

    def tick() -> None:
        nonlocal waiting
        waiting += 1
        if waiting == 50:
            done.put(waiting)
            waiting = 0

    return task(job, tick)


def _play(job: Job, tick: Callable[[], None]) -> Results:
    from midstep.wire.tuning import bind_threads
    from orchestrator.evaluation.simulator.closed import metrics
    from orchestrator.evaluation.simulator.compare import play_all

    bind_threads(1)
    lanes, names, slots, warmup = job
    rollouts = play_all(lanes, names, slots, warmup, tick=lambda _: tick())
    return {name: metrics(rollout) for name, rollout in rollouts.items()}


def _follow(job: Job, tick: Callable[[], None]) -> dict[str, Series]:
    from midstep.wire.tuning import bind_threads
    from orchestrator.evaluation.simulator.compare import play_all

    bind_threads(1)
    lanes, names, slots, warmup = job
    series: dict[str, Series] = {}
    play_all(lanes, names, slots, warmup, tick=lambda _: tick(), series=series)
    return series


def summarised(
    results: Mapping[str, Mapping[str, Sequence[float] | Floats]],
) -> dict[str, dict[str, Any]]:
    """`policies` of summary.json: means over seeds, and their intervals."""
    return {
        name: {metric: over_seeds(values) for metric, values in metrics.items()}
        for name, metrics in results.items()
    }
