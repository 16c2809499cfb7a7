"""Points side by side in processes of this machine. A process imports and compiles once for all of
its points; one that dies takes its own point with it, and another goes on."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import ModuleType

from midstep.errors import MidstepError
from midstep.scenario import Scenario

__all__ = ["Executor", "Outcome", "Road", "Task", "here", "play", "processes"]

# plays a scenario and leaves its record in a folder that is not there yet; raises whatever failed
Road = Callable[[Scenario, Path], None]
STOP_S = 5.0  # wall seconds that a process in mid-point has to end in order
END_S = 30.0  # and one that has nothing left to play
# one thread each: two processes of two threads on two cores are slower than two of one
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True, kw_only=True)
class Task:
    """A point that is to be played, and the folder for its record."""

    id: str
    scenario: Scenario
    folder: Path


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A point that was played: how long that took, wall seconds; and where it failed, why in one
    line and the traceback."""

    id: str
    wall_s: float
    error: str | None = None
    traceback: str = ""


Executor = Callable[[Road, Sequence[Task]], Iterator[Outcome]]


def play(road: Road, task: Task) -> Outcome:
    """Play a point here. What it raises becomes the outcome's."""
    began = time.perf_counter()
    try:
        road(task.scenario, task.folder)
    except Exception as error:
        text = str(error) if isinstance(error, MidstepError) else f"{type(error).__name__}: {error}"
        return Outcome(
            id=task.id,
            wall_s=time.perf_counter() - began,
            error=" ".join(text.split()),
            traceback=traceback.format_exc(),
        )
    return Outcome(id=task.id, wall_s=time.perf_counter() - began)


def here(road: Road, tasks: Sequence[Task]) -> Iterator[Outcome]:
    """One after the other, in this process."""
    for task in tasks:
        yield play(road, task)


def processes(jobs: int, fresh: bool = False, stop_s: float = STOP_S) -> Executor:
    """An executor of `jobs` processes; `fresh`: each plays one point and ends, as a live run wants
    it, whose Ray and gRPC leave something behind. `stop_s`: what a process has to end in order
    where the experiment is interrupted."""

    def run(road: Road, tasks: Sequence[Task]) -> Iterator[Outcome]:
        waiting = deque(tasks)
        workers: list[_Worker] = []
        try:
            while waiting or workers:
                while waiting and len(workers) < jobs:
                    workers.append(_Worker(road, waiting.popleft()))
                for worker in _ready(workers):
                    outcome = worker.outcome()
                    if worker.alive and waiting and not fresh:
                        worker.take(waiting.popleft())
                    else:
                        worker.close()
                        workers.remove(worker)
                    yield outcome
        finally:
            _stop(workers, stop_s)

    return run


class _Worker:
    """A process that plays points, and the one that it is at."""

    def __init__(self, road: Road, task: Task) -> None:
        context = multiprocessing.get_context("spawn")  # a forked one inherits threads' locks
        self.connection, theirs = context.Pipe()
        self.process: SpawnProcess = context.Process(target=_work, args=(road, theirs))
        with _environment(), _neutral_main():
            self.process.start()
        theirs.close()  # so that its death can be read from ours
        self.alive = True
        self.take(task)

    def take(self, task: Task) -> None:
        """Let it play a point."""
        self.task = task
        self.began = time.perf_counter()
        with contextlib.suppress(OSError):  # it died meanwhile: `outcome` says so
            self.connection.send(task)

    def outcome(self) -> Outcome:
        """What became of its point; waits for it."""
        try:
            outcome: Outcome = self.connection.recv()
            return outcome
        except (EOFError, OSError):
            self.alive = False
            self.process.join()
            code = self.process.exitcode
            why = f"signal {-code}" if code is not None and code < 0 else f"status {code}"
            return Outcome(
                id=self.task.id,
                wall_s=time.perf_counter() - self.began,
                error=f"its process died ({why})",
            )

    def close(self) -> None:
        """Let it end: there is nothing left to play."""
        self.connection.close()
        self.process.join(END_S)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def _ready(workers: Iterable[_Worker]) -> list[_Worker]:
    """The workers that have played their point, or died; waits for the first."""
    by_connection = {worker.connection: worker for worker in workers}
    return [by_connection[one] for one in wait(list(by_connection)) if isinstance(one, Connection)]


def _stop(workers: Iterable[_Worker], stop_s: float) -> None:
    """End processes in mid-point: in order, and at once where that takes too long."""
    until = time.monotonic() + stop_s
    workers = list(workers)
    for worker in workers:
        worker.process.terminate()
    for worker in workers:
        worker.process.join(max(0.0, until - time.monotonic()))
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()


def _work(road: Road, connection: Connection) -> None:
    """The process's life: points come, outcomes go, until nobody is there any more."""
    with contextlib.suppress(OSError):  # Ctrl-C is for the command, which then ends this process
        os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        connection.send(play(road, task))


def _end_with_parent() -> None:
    """End when the command has died: nobody waits for this point any more, and who starts the
    command again plays it elsewhere."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextlib.contextmanager
def _environment() -> Iterator[None]:
    """THREADS for the processes that are started within."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update({name: value for name, value in THREADS.items() if before[name] is None})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)


@contextlib.contextmanager
def _neutral_main() -> Iterator[None]:
    """An empty `__main__` for the processes that are started within: they would import the
    caller's, a script that begins the experiment again where it has no `__main__` guard. What they
    play is named by its module."""
    caller = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = caller
