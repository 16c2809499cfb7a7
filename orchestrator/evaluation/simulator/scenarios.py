"""`midstep simulate SCENARIO`: a run's scenario by discrete events, under several policies and
seeds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from midstep.diffusion.factory import paced_identity
from midstep.errors import OptionError
from midstep.reuse.limits import open_limits
from midstep.scenario import Scenario
from midstep.workload.requests import read_requests, with_requests
from orchestrator import policies
from orchestrator.evaluation.simulator.command import MARKER, show, write
from orchestrator.evaluation.simulator.events import check, simulate, write_record
from orchestrator.evaluation.simulator.many import summarised
from orchestrator.evaluation.simulator.presets import COMPARED
from orchestrator.live.setting import run_problem
from orchestrator.records import summary
from orchestrator.records.folders import claim_folder, released_on_failure
from orchestrator.records.versions import versions
from orchestrator.watch.progress_bar import progress_bar

__all__ = ["compared", "simulate_scenario"]

Results = dict[str, dict[str, list[float]]]  # policy -> metric -> one value a seed


def compared(scenario: Scenario, names: Sequence[str]) -> list[Scenario]:
    """The scenario under each of these policies; without names, under its own and the usual ones.
    Its own keeps the parameters that the scenario gives it. Raises ScenarioError, OptionError where
    one cannot be used."""
    own = scenario.policy.name
    usual = [own, *COMPARED["proactive"].split(",")]
    variants = []
    for name in dict.fromkeys(names or usual):
        where = "policy.name" if name == own else "--policies"
        policies.find(name, "live", where)
        settings = scenario.policy
        if name != own:
            settings = settings.model_copy(update={"name": name, "params": {}, "source": None})
        variant = scenario.model_copy(update={"policy": settings})
        policies.check(name, run_problem(variant), "live", where)
        policies.make(settings)
        variants.append(variant)
    return variants


def simulate_scenario(
    scenario: Scenario, names: Sequence[str], seeds: int, out: str | None, rows: bool
) -> int:
    """The command's exit status. Seeds are the scenario's own and those that follow it; `rows`
    keeps every simulated run's record. Raises MidstepError, one line."""
    if seeds < 1:
        raise OptionError(f"--seeds {seeds}: at least 1")
    check(scenario)
    scenario = with_requests(scenario, read_requests(scenario))
    variants = compared(scenario, names)
    numbers = list(range(scenario.seed, scenario.seed + seeds))
    folder = claim_folder(f"simulate-{scenario.name}", out, MARKER, ("seeds.csv",))
    if (notice := open_limits(scenario, paced_identity(scenario.model)).notice) is not None:
        print(f"midstep: {notice}", file=sys.stderr)
    began = time.perf_counter()
    length = f"{scenario.users} users, {scenario.duration_s:g} s"
    with released_on_failure(folder, MARKER):
        with progress_bar(
            f"{scenario.name}, {length}, {len(variants)} policies, {seeds} seeds"
        ) as advance:
            results = _play(variants, numbers, folder if rows else None, advance)
        wall = time.perf_counter() - began
        about = {
            "name": scenario.name,
            "road": "simulated",
            "scenario": scenario.model_dump(mode="json", by_alias=True),
            "seeds": numbers,
            "duration_s": scenario.duration_s,
            "wall_s": round(wall, 3),
            "versions": versions(),
        }
        by_policy = summarised(results)
        write(folder, results, {"policies": by_policy, "run": about}, numbers)
    show(by_policy, scenario.name)
    print(f"{length}, {_arrivals(scenario)}, {seeds} seeds from {scenario.seed} on")
    print(f"{wall:.1f} s; {folder / 'summary.json'}")
    return 0


def _play(
    variants: Sequence[Scenario],
    seeds: Sequence[int],
    folder: Path | None,
    advance: Callable[[float], None],
) -> Results:
    """Every policy in every seed's world; with a `folder`, each one's record in it."""
    results: Results = {variant.policy.name: {} for variant in variants}
    for seed in seeds:
        for variant in variants:
            scenario = variant.model_copy(update={"seed": seed})
            simulated = simulate(scenario)
            name = scenario.policy.name
            if folder is not None:
                write_record(folder / f"{name}-{seed}", scenario, simulated)
            measured = summary.measured(scenario, simulated.requests, simulated.slots)
            figures = summary.metrics(*measured, simulated.step_s)
            for metric, value in figures.items():
                mean = value["mean"]
                results[name].setdefault(metric, []).append(np.nan if mean is None else mean)
            advance(1 / (len(seeds) * len(variants)))
    return results


def _arrivals(scenario: Scenario) -> str:
    """The arrival model's name: closed arrivals slow down with the system, so every table says
    it."""
    return f"{scenario.workload.arrivals.law} arrivals"
