"""A replay, as the command's `--replay` and Python's `replay=` name it: the scenario of a run whose
requests are met again, or of a table of requests."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from midstep import scenario_file
from midstep.errors import OptionError
from midstep.home import in_home
from midstep.scenario import Scenario
from midstep.workload.trace_file import TABLES, read_table
from orchestrator.live.scenario_options import ScenarioLike, resolve_scenario

__all__ = ["resolve_replay"]

SCENARIO = "scenario.yaml"
KEPT = ("timing", "admission", "latency_target_s")  # of the policy, whatever its name
RECORDED = ("workload.arrivals", "workload.prompts", "workload.trace")  # what a replay brings


def resolve_replay(
    replay: str, source: ScenarioLike, changes: Mapping[str, Any], settings: Sequence[str] = ()
) -> Scenario:
    """The scenario of a replay, changed as `resolve_scenario` does: a run's own, or the `source`
    with a table's users. Raises ScenarioError, OptionError."""
    changes = {name: value for name, value in changes.items() if value is not None}
    for option in ("prompts", "users"):
        if option in changes:
            raise OptionError(
                f"--{option}: a replay has the users and the prompts that were recorded; leave it "
                f"out"
            )
    for key in _keys(changes, settings):
        if ".".join(key.split(".")[:2]) in RECORDED:
            raise OptionError(
                f"--set {key}: a replay has the requests that were recorded, and when they are "
                f"sent; leave it out"
            )
    place = in_home(replay)
    # of os.path: a name that no file can have is not there, where Path raises
    if os.path.isdir(place):
        return _of_run(replay, source, changes, settings)
    if os.path.exists(place) and place.suffix.lower() not in TABLES:
        raise OptionError(
            f"--replay {replay}: give a run's folder, or a table that ends in {', '.join(TABLES)}; "
            f"--prompts takes a text, one prompt a line"
        )
    return _of_table(replay, source, changes, settings)


def _keys(changes: Mapping[str, Any], settings: Sequence[str]) -> Iterator[str]:
    """The paths of what is set, of a whole workload those of its keys."""
    for setting in settings:
        yield setting.partition("=")[0]
    for name, value in changes.items():
        yield from (f"{name}.{key}" for key in value) if isinstance(value, Mapping) else (name,)


def _of_run(
    replay: str, source: ScenarioLike, changes: Mapping[str, Any], settings: Sequence[str]
) -> Scenario:
    if source is not None:
        name = source.name if isinstance(source, Scenario) else source
        named = "the scenario" if isinstance(name, Mapping) else name
        raise OptionError(
            f"--replay {replay}: a run brings its own scenario; leave {named} out, and change "
            f"values with --set"
        )
    folder = in_home(replay)
    path = folder / SCENARIO
    if not path.is_file():
        raise OptionError(f"--replay {replay}: no run is in there (no {SCENARIO})")
    tree = scenario_file.read(str(path))
    workload = tree.setdefault("workload", {})
    policy = tree.get("policy")
    if isinstance(workload, dict):
        workload["prompts"] = None
        workload["trace"] = str(folder.absolute())
    modes = tree.get("modes")
    if changes.get("clock") == "virtual" and isinstance(modes, dict):
        modes.pop("time_scale", None)  # of the wall clock
    if "policy" in changes and isinstance(policy, dict):
        tree["policy"] = {key: policy[key] for key in KEPT if key in policy}
    return resolve_scenario(tree, changes, settings)


def _of_table(
    replay: str, source: ScenarioLike, changes: Mapping[str, Any], settings: Sequence[str]
) -> Scenario:
    trace = read_table(replay, "--replay")
    if trace.arrivals is None:
        raise OptionError(
            f"--replay {replay}: it has no column time; --prompts asks for such a list"
        )
    users = {"users": trace.users} if trace.users else {}
    return resolve_scenario(source, {**changes, "trace": replay, **users}, settings)
