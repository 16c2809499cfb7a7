"""Options that several commands share: a scenario, and changes to it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from midstep import scenario_file
from midstep.errors import OptionError
from midstep.scenario import Scenario

__all__ = [
    "Commands",
    "add_model",
    "add_scenario",
    "has_no_profile",
    "load_scenario",
    "names",
    "of_tree",
    "policy_names",
]

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # has no public name
else:
    Commands = Any

# option -> the scenario's key
KEYS = {
    "policy": "policy.name",
    "duration": "duration_s",
    "model": "model.path",
    "prompts": "workload.prompts",
    "trace": "workload.trace",  # of --replay
    "seed": "seed",
    "device": "model.device",
    "clock": "modes.clock",
    "time_scale": "modes.time_scale",
    "denoiser": "modes.denoiser",
    "wire": "modes.wire",
}


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
    return of_tree(scenario_file.read(args.scenario), args)


def of_tree(tree: dict[str, Any], args: argparse.Namespace) -> Scenario:
    """The scenario of an unvalidated tree with what a command's options change. Raises
    ScenarioError, OptionError."""
    options = {name: value for name, value in vars(args).items() if value is not None}
    for option, key in KEYS.items():
        if option in options:
            scenario_file.put(tree, key, options[option])
    if options.get("clock") == "virtual" and "wire" not in options:
        scenario_file.put(tree, "modes.wire", "inprocess")
    if "scenario" not in options:  # some of the laptop scenario's keys fit its own model only
        if "model" in options:
            scenario_file.put(tree, "model.scheduler", "default")
        if ("prompts" in options or "trace" in options) and "policy" not in options:
            # its policy wants a catalogue that ends
            scenario_file.put(tree, "policy.name", "drc-item")
    paced = options.get("denoiser") == "paced" or options.get("clock") == "virtual"
    if paced and has_no_profile(tree):
        scenario_file.put(tree, "model.profile", "cpu")
    scenario = _with_policy(scenario_file.parse(tree, args.set, args.scenario or "laptop"))
    scenario = _with_places(scenario)
    keys = {setting.partition("=")[0] for setting in args.set}
    if ("model" in options or "model.path" in keys) and "model.profile" not in keys:
        from midstep.diffusion.factory import without_foreign_profile

        scenario = without_foreign_profile(scenario)
    return scenario.with_users(options["users"]) if "users" in options else scenario


def _with_policy(scenario: Scenario) -> Scenario:
    """The scenario with the text of its policy's file in it, where the policy is a file's."""
    if ".py" not in scenario.policy.name:  # the registry need not be imported
        if scenario.policy.source is not None:  # a run's record has it; a file is data, not code
            raise OptionError(
                "policy.source: a scenario brings no code of its own; name the policy's file: "
                "--policy FILE.py"
            )
        return scenario
    from orchestrator import policies

    return scenario.model_copy(update={"policy": policies.resolved(scenario.policy)})


def _with_places(scenario: Scenario) -> Scenario:
    """The scenario with whole paths to the files that options have named: its record may be read
    from another folder."""
    workload = scenario.workload
    places = {
        key: str(Path(name).expanduser().absolute())
        for key, name in (("prompts", workload.prompts), ("trace", workload.trace))
        if name is not None
    }
    if not places:
        return scenario
    return scenario.model_copy(update={"workload": workload.model_copy(update=places)})


def has_no_profile(tree: dict[str, Any]) -> bool:
    """Whether an unvalidated tree names no step times."""
    model = tree.get("model") or {}
    # what else it may be, validation says
    return isinstance(model, dict) and not model.get("profile")
