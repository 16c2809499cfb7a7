"""Lanes over the machine's cores: a lane knows of no other, so that how they are cut changes
nothing but the time."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from signal import SIGTERM
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from orchestrator.evaluation.simulator.presets import Preset

if TYPE_CHECKING:
    from orchestrator.evaluation.simulator.compare import Series
    from orchestrator.policies.registry.outside import PolicyText

T = TypeVar("T")
Floats = NDArray[np.float64]
Results = dict[str, dict[str, Floats]]  # policy -> metric -> one value a lane
Job = tuple[list[tuple[Preset, int]], tuple[str, ...], int, int]
Progress = Callable[[float], None] | None
Task = Callable[[Job, Callable[[], None]], T]
# lanes in one program: more share a network's overhead, and fall out of the processor's cache
SIDE_BY_SIDE = 16


class Workers:
    """`jobs` processes (None: one for each core that this process may use) that import and compile
    once for all that they are given; with one, everything happens here. A context manager."""

    def __init__(self, jobs: int | None = None) -> None:
        self.jobs = jobs or len(os.sched_getaffinity(0))
        self._pool: ProcessPoolExecutor | None = None
        self._told = signal.getsignal(SIGTERM)
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
            signal.signal(SIGTERM, self._told)
        if self._pool is None:
            return
        if (
            kind is not None
        ):  # Ctrl-C, or a worker's error: nobody waits for what the others would find
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
    """Every policy in every lane of a closed catalogue; `progress` is told the share that is done.

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
    """What every policy did over time, each lane by itself: of lanes side by side only the mean
    loss is told."""
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


def interval(values: Sequence[float] | Floats) -> dict[str, float | None]:
    """Mean over seeds and the half-width of its 95 % interval (Student's t); nulls where there is
    nothing to say."""
    from scipy.stats import t

    array = np.asarray(values, np.float64)
    array = array[np.isfinite(array)]
    if not array.size:
        return {"mean": None, "ci95": None}
    if array.size == 1:
        return {"mean": float(array[0]), "ci95": None}
    half = float(t.ppf(0.975, array.size - 1) * array.std(ddof=1) / np.sqrt(array.size))
    return {"mean": float(array.mean()), "ci95": half}


def summarised(
    results: Mapping[str, Mapping[str, Sequence[float] | Floats]],
) -> dict[str, dict[str, Any]]:
    """`policies` of summary.json."""
    return {
        name: {metric: interval(v) for metric, v in metrics.items()}
        for name, metrics in results.items()
    }
