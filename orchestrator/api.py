"""midstep from Python, in a script or a notebook (docs/python.md):

    import midstep

    run = midstep.run("laptop", policy="lru", duration="10s", clock="virtual")
    run.requests.groupby("reuse").total_s.describe()

What is wrong raises an error of midstep.errors; there is no exit status to look at.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from midstep.errors import EXIT_INTERRUPTED
from midstep.scenario import Scenario
from orchestrator.live.launch import Options
from orchestrator.live.replay_options import resolve_replay
from orchestrator.live.run import Ending, carry_out
from orchestrator.live.scenario_options import ScenarioLike, resolve_scenario
from orchestrator.live.signals import Interrupts
from orchestrator.records.experiment_record import Experiment
from orchestrator.records.run_record import Run
from orchestrator.roads import calibrated, cluster_of

__all__ = ["Experiment", "Run", "experiment", "load", "open_run", "run"]

T = TypeVar("T")
SIGNALS_S = 0.1  # a signal may reach another thread, and does not wake the waiting one then


def load(scenario: ScenarioLike = None, /, **changes: Any) -> Scenario:
    """A scenario: a shipped one's name (`laptop` where none is given), a file, a tree of keys, or a
    scenario, with changes.

    A change has the name of an option of `midstep run`, `policy`, `cut`, `duration`, `users`,
    `seed`, `clock`, `denoiser`, `wire`, `time_scale`, `model`, `device`, `prompts`, `perfetto`; or
    of a key of the scenario: `slot_seconds=2`, `report={"references": 0}`, and of one further down
    `**{"edges.0.capacity": "64KB"}`. Raises ScenarioError, OptionError.
    """
    return resolve_scenario(scenario, changes)


def run(
    scenario: ScenarioLike = None,
    /,
    *,
    replay: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
    address: str | None = None,
    monitor: bool = False,
    quiet: bool | None = None,
    **changes: Any,
) -> Run:
    """Run a scenario, named and changed as for `load`, to its end, and return what it left.

    `replay` is a run's folder, whose scenario and requests are met again, or a table of requests.
    `out` is the run's folder (default: runs/<name>-<time>), `resume` a run whose learner's state
    this one goes on with, `address` a Ray cluster to join, `monitor` starts Prometheus and Grafana.
    Progress is printed as by the command unless `quiet`, which None means in virtual time.

    The run has a thread and an event loop of its own, so that a notebook's own does not matter. An
    interrupt of the kernel (Ctrl-C) ends new requests, a second one the run; KeyboardInterrupt is
    raised when the record is closed. Raises MidstepError where the run ends before its time; a part
    that dies on the way is in `Run.events` and `Run.status`.
    """
    resolved = (
        resolve_scenario(scenario, changes)
        if replay is None
        else resolve_replay(os.fspath(replay), scenario, changes)
    )
    resolved = calibrated(resolved)
    if quiet is None:
        quiet = resolved.modes.clock == "virtual"
    options = Options(
        out=None if out is None else os.fspath(out),
        address=address,
        resume=None if resume is None else os.fspath(resume),
        monitor=monitor,
        quiet=quiet,
        report=not quiet,  # else it is made when it is asked for
    )
    cluster = cluster_of(resolved)
    ending, interruptions = _aside(
        lambda interrupts: carry_out(resolved, options, cluster, interrupts)
    )
    if ending.error is not None:
        if ending.folder.exists():
            ending.error.add_note(f"what was measured before is in {ending.folder}")
        raise ending.error
    interruption = _interruption(ending, interruptions)
    if interruption is not None:
        raise interruption
    return Run(ending.folder)


def open_run(folder: str | os.PathLike[str] | None = None, /) -> Run:
    """What a run left in its folder; without one, of the newest in runs/. Raises RecordError."""
    if folder is None:
        from orchestrator.watch.top import newest_run

        return Run(newest_run())
    return Run(Path(folder))


def experiment(
    file: str | os.PathLike[str],
    /,
    *,
    out: str | os.PathLike[str] | None = None,
    jobs: int | None = None,
    address: str | None = None,
    settings: Sequence[str] = (),
    baseline: Sequence[str] = (),
) -> Experiment:
    """Play an experiment's file, or a shipped one by its name, as `midstep experiment` does
    (docs/experiments.md): what is in its folder already is not played again.

    `settings` and `baseline` are texts KEY=VALUE, `jobs` points are played side by side. Raises
    MidstepError; points that failed are in `Experiment.failures`.
    """
    from orchestrator.evaluation.experiment import plan as plans
    from orchestrator.evaluation.experiment.command import experiment as play
    from orchestrator.evaluation.experiment.folder import Folder
    from orchestrator.roads import setup

    path = plans.find(os.fspath(file))
    plan = plans.with_settings(plans.read(path), settings, baseline)
    folder = None if out is None else os.fspath(out)
    play(path, plan, folder, setup(plan, jobs, address, f"midstep.experiment({str(file)!r})"))
    return Experiment(Folder(plan.name, folder).path)


def _aside(call: Callable[[Interrupts], T]) -> tuple[T, list[BaseException]]:
    """Call in a thread of its own and wait for it; what it returns, and what has interrupted the
    waiting, Ctrl-C above all, which interrupts the run. Raises what the call raises."""
    interrupts = Interrupts()
    results: list[T] = []
    errors: list[BaseException] = []
    over = threading.Event()

    def work() -> None:
        try:
            results.append(call(interrupts))
        except BaseException as error:  # raised again by whoever waits
            errors.append(error)
        finally:
            over.set()

    interruptions: list[BaseException] = []
    passed_on = 0
    threading.Thread(target=work, name="midstep-run").start()
    while not over.is_set():
        try:
            while passed_on < len(interruptions):
                interrupts.interrupt()
                passed_on += 1
            over.wait(SIGNALS_S)
        except BaseException as error:
            interruptions.append(error)
    if errors:
        raise errors[0]
    return results[0], interruptions


def _interruption(ending: Ending, interruptions: list[BaseException]) -> BaseException | None:
    """What is raised where the run, or the waiting for it, was interrupted."""
    others = [error for error in interruptions if not isinstance(error, KeyboardInterrupt)]
    if others:
        return others[0]
    if not interruptions and ending.status != EXIT_INTERRUPTED:
        return None
    if ending.folder.exists():
        return KeyboardInterrupt(f"what was measured is in {ending.folder}")
    return KeyboardInterrupt("the run had not begun")
