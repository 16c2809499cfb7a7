"""`midstep run --replay`: the scenario of a run whose requests are met again, or of a table of
requests."""

from __future__ import annotations

import argparse
from pathlib import Path

from midstep import scenario_file
from midstep.errors import OptionError
from midstep.scenario import Scenario
from orchestrator.commands.options import changed, load_scenario

__all__ = ["load_replay"]

SCENARIO = "scenario.yaml"
KEPT = ("timing", "admission", "latency_target_s")  # of the policy, whatever its name


def load_replay(args: argparse.Namespace) -> Scenario:
    """The scenario of `--replay`: a run's own, or the one that is named, with a table's users.
    Raises ScenarioError, OptionError."""
    for option in ("prompts", "users", "seed"):
        if getattr(args, option) is not None:
            raise OptionError(
                f"--{option}: a replay has the users, the prompts and the seed that were recorded; "
                f"leave it out"
            )
    folder = Path(args.replay).expanduser()
    return _of_run(folder, args) if folder.is_dir() else _of_table(args)


def _of_run(folder: Path, args: argparse.Namespace) -> Scenario:
    if args.scenario is not None:
        raise OptionError(
            f"--replay {args.replay}: a run brings its own scenario; leave {args.scenario} out, "
            f"and change values with --set"
        )
    path = folder / SCENARIO
    if not path.is_file():
        raise OptionError(f"--replay {args.replay}: no run is in there (no {SCENARIO})")
    tree = scenario_file.read(str(path))
    workload = tree.setdefault("workload", {})
    policy = tree.get("policy")
    if isinstance(workload, dict):
        workload["prompts"] = None
        workload["trace"] = str(folder.absolute())
    modes = tree.get("modes")
    if args.clock == "virtual" and isinstance(modes, dict):
        modes.pop("time_scale", None)  # of the wall clock
    if args.policy is not None and isinstance(policy, dict):
        tree["policy"] = {key: policy[key] for key in KEPT if key in policy}
    return changed(tree, args)


def _of_table(args: argparse.Namespace) -> Scenario:
    from midstep.workload.trace_file import read_table

    trace = read_table(args.replay, "--replay")
    if trace.arrivals is None:
        raise OptionError(
            f"--replay {args.replay}: it has no column time; --prompts asks for such a list"
        )
    args.trace = args.replay
    if trace.users:
        args.users = trace.users
    return load_scenario(args)
