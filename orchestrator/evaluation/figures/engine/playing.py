"""Runs of a plan: those that are missing are played, those that are there are read."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from midstep.errors import RecordError
from orchestrator.evaluation.experiment.folder import PLAN, Folder
from orchestrator.evaluation.experiment.plan import Plan
from orchestrator.evaluation.experiment.playing import Setup, check_points, play_missing
from orchestrator.evaluation.experiment.points import Point, expand
from orchestrator.evaluation.experiment.progress import duration
from orchestrator.evaluation.figures.engine import accounts
from orchestrator.evaluation.figures.engine.settings import Run, Setting, key_of
from orchestrator.evaluation.figures.values import Values
from orchestrator.records import summary

__all__ = ["QUALITIES", "Played", "Setups", "play", "values"]

# how a plan is played: (plan, jobs, Ray's address, the command) -> Setup
Setups = Callable[[Plan, int | None, str | None, str], Setup]
QUALITIES = ("psnr_db", "ssim")
LOCAL = "ncldc"  # what time is saved against


@dataclass(frozen=True, kw_only=True)
class Played:
    """Runs of a plan: each one's metrics; why others failed, by the point's name; requests that
    were not finished; runs that are not VALID, with the reason; wall seconds in all."""

    metrics: Mapping[Run, Mapping[str, float]]
    failures: Mapping[str, str]
    lost: int
    invalid: Mapping[str, str] = field(default_factory=dict)
    wall_s: float = 0.0


def play(plan: Plan, path: Path, setups: Setups, command: str) -> Played:
    """Play what is missing of the plan in the folder `path`, an experiment's, and read everything.
    A run that fails costs the figure that run alone. Raises MidstepError."""
    file = path / PLAN
    points = expand(plan, file)
    setup = setups(plan, None, None, command)
    check_points(points, setup.check, file)
    folder = Folder(plan.name, str(path))
    tree = plan.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    with folder.open(yaml.safe_dump(tree, sort_keys=False, width=110)):
        missing = [point for point in points if folder.whole(point) is None]
        print(
            f"midstep: {plan.name}, {len(points)} runs of {duration(plan.duration_s or 0.0)} "
            f"({plan.road}), {len(points) - len(missing)} are there already; in {path}",
            file=sys.stderr,
            flush=True,
        )
        play_missing(folder, points, missing, setup, keep=plan.road == "live")
        return _read(folder, points)


def _read(folder: Folder, points: Sequence[Point]) -> Played:
    requests = dict[Run, accounts.Requests]()
    qualities = dict[Run, dict[str, float]]()
    failures = dict[str, str]()
    invalid = dict[str, str]()
    wall_s = 0.0
    for point in points:
        whole = folder.whole(point)
        if whole is None:
            failures[point.id] = folder.failure(point) or "it was not played"
            continue
        wall_s += whole["wall_s"]
        place = folder.of(point)
        requests[key_of(point)] = accounts.read(place, point.scenario)
        tree = summary.read(place)
        qualities[key_of(point)] = _qualities(tree)
        verdict = str(tree.get("verdict"))
        if verdict != "VALID":
            invalid[point.id] = verdict
    metrics = {}
    for (setting, policy, seed), run in requests.items():
        local = requests.get((setting.under(LOCAL), LOCAL, seed))
        metrics[setting, policy, seed] = {
            **accounts.metrics(run, local),
            **qualities[setting, policy, seed],
        }
    if not any(metrics.values()):
        reasons = "; ".join(sorted(set(failures.values()))) or "no request was finished"
        raise RecordError(f"{folder.path}: there is no run to draw: {reasons}")
    return Played(
        metrics=metrics,
        failures=failures,
        lost=sum(run.lost for run in requests.values()),
        invalid=invalid,
        wall_s=wall_s,
    )


def _qualities(tree: Mapping[str, Any]) -> dict[str, float]:
    """What the run's summary says of its pictures, where it made any again without reuse."""
    (of_policy,) = tree.get("policies", {"": {}}).values()
    means = {name: of_policy.get(name, {}).get("mean") for name in QUALITIES}
    return {name: float(mean) for name, mean in means.items() if mean is not None}


def values(
    figure: str,
    sweep: Mapping[float, Setting],
    policies: Sequence[str],
    seeds_and_slots: tuple[int, int],
    played: Played,
) -> Values:
    """A figure of runs; nan where a run failed."""
    seeds, slots = seeds_and_slots
    figure_values = Values(figure, seeds, slots, list(sweep))
    names = sorted({name for metrics in played.metrics.values() for name in metrics})
    for setting in sweep.values():
        point = {}
        for policy in policies:
            runs = [
                played.metrics.get((setting.under(policy), policy, seed), {})
                for seed in range(seeds)
            ]
            point[policy] = {name: [run.get(name, np.nan) for run in runs] for name in names}
        figure_values.points.append(point)
    figure_values.wall_s = played.wall_s
    return figure_values
