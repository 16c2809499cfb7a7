"""Options that several commands share: a scenario, and changes to it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from midstep.scenario import Scenario
from orchestrator.live.scenario_options import OPTIONS, resolve_scenario

__all__ = [
    "Commands",
    "add_long_work",
    "add_model",
    "add_scenario",
    "load_replay",
    "load_scenario",
    "names",
    "policy_names",
]

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # has no public name
else:
    Commands = Any


def add_scenario(command: argparse.ArgumentParser) -> None:
    """The scenario, and any of its keys."""
    command.add_argument(
        "scenario", nargs="?", help="a shipped scenario's name or a file (default: laptop)"
    )
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a value: edges.0.capacity=1MB",
    )


def add_model(command: argparse.ArgumentParser) -> None:
    """The model, and where it computes."""
    command.add_argument(
        "--model", metavar="NAME|PATH|HUB_ID", help="any diffusers text-to-image pipeline"
    )
    command.add_argument(
        "--device", choices=["auto", "cpu", "cuda"], help="where the edge computes"
    )


def add_long_work(command: argparse.ArgumentParser, folder: str, results: str) -> None:
    """The hours that work which can go on later may take, and the folder, by default `folder`, of
    its `results`."""
    command.add_argument(
        "--hours",
        type=float,
        default=2.0,
        metavar="H",
        help="stop after so long (default %(default)s); the same command goes on",
    )
    command.add_argument(
        "--out",
        default=folder,
        metavar="DIR",
        help=f"where {results} go (default %(default)s)",
    )


def names(text: str) -> list[str]:
    """Words between commas, each once."""
    return [*dict.fromkeys(word.strip() for word in text.split(","))]


def policy_names(text: str) -> list[str]:
    """The policies between commas, each once; those of files are registered. Raises OptionError."""
    from orchestrator import policies

    return [*dict.fromkeys(policies.registered(name, "--policies") for name in names(text))]


def load_scenario(args: argparse.Namespace) -> Scenario:
    """The scenario that a command's options name, with what they change. Raises ScenarioError,
    OptionError."""
    return resolve_scenario(args.scenario, _changes(args), args.set)


def load_replay(args: argparse.Namespace) -> Scenario:
    """The scenario of `--replay`, with what a command's options change. Raises ScenarioError,
    OptionError."""
    from orchestrator.live.replay_options import resolve_replay

    return resolve_replay(args.replay, args.scenario, _changes(args), args.set)


def _changes(args: argparse.Namespace) -> dict[str, Any]:
    return {name: vars(args).get(name) for name in OPTIONS}
