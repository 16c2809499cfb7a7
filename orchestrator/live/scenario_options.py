"""A scenario with changes to it, as the command's options and Python's arguments name them: one way
for both."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from midstep import scenario_file
from midstep.errors import OptionError, ScenarioError
from midstep.home import in_home
from midstep.scenario import PolicySettings, Scenario
from midstep.units import excerpt

__all__ = ["OPTIONS", "ScenarioLike", "has_no_profile", "resolve_scenario"]

# a shipped scenario's name, a file, a tree of keys, a scenario; None: laptop
ScenarioLike = str | os.PathLike[str] | Mapping[str, Any] | Scenario | None

# option -> the scenario's key
KEYS = {
    "policy": "policy.name",
    "cut": "cut.rule",
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
    "perfetto": "report.perfetto",
}
OPTIONS = (*KEYS, "users")


def resolve_scenario(
    source: ScenarioLike, changes: Mapping[str, Any], settings: Sequence[str] = ()
) -> Scenario:
    """The scenario with `changes`, and then with `settings`, which are texts `key.path=value`.

    A change's name is one of OPTIONS or the path of a key, its value None changes nothing;
    `policy`, `cut` and `model` take the whole section, too. Raises ScenarioError, OptionError.
    """
    changes = {name: _plain(value) for name, value in changes.items() if value is not None}
    if isinstance(source, Scenario) and not changes and not settings:
        return source
    tree = _tree(source)
    options = {name: changes[name] for name in KEYS if name in changes}
    for name, value in options.items():
        scenario_file.put(tree, name if isinstance(value, Mapping) else KEYS[name], value)
    _complete(tree, options, source is None)
    for path, value in changes.items():
        if path not in OPTIONS:
            scenario_file.put(tree, path, value)
    scenario = scenario_file.parse(tree, settings, _label(source))
    scenario = _with_policy(scenario, source.policy if isinstance(source, Scenario) else None)
    scenario = _with_places(scenario)
    keys = {setting.partition("=")[0] for setting in settings} | changes.keys()
    if keys & {"model", "model.path"} and "model.profile" not in keys:
        from midstep.diffusion.factory import without_foreign_profile

        scenario = without_foreign_profile(scenario)
    return scenario.with_users(changes["users"]) if "users" in changes else scenario


def has_no_profile(tree: Mapping[str, Any]) -> bool:
    """Whether an unvalidated tree names no step times."""
    model = tree.get("model") or {}
    # what else it may be, validation says
    return isinstance(model, dict) and not model.get("profile")


def _tree(source: ScenarioLike) -> dict[str, Any]:
    """The unvalidated tree of a source, the caller's own. Raises ScenarioError."""
    if isinstance(source, Scenario):
        # a policy's text is no setting: it stays with the scenario
        return source.model_dump(mode="json", by_alias=True, exclude={"policy": {"source"}})
    if isinstance(source, Mapping):
        return scenario_file.own_tree(source)
    if source is not None and not isinstance(source, (str, os.PathLike)):
        raise ScenarioError(
            f"a scenario is a shipped one's name, a file, a tree of keys or a Scenario, not "
            f"{excerpt(source)}"
        )
    return scenario_file.read(None if source is None else os.fspath(source))


def _label(source: ScenarioLike) -> str:
    """How an error names the source."""
    if isinstance(source, Scenario):
        return source.name
    if isinstance(source, Mapping):
        return "scenario"
    return "laptop" if source is None else os.fspath(source)


def _complete(tree: dict[str, Any], options: Mapping[str, Any], default: bool) -> None:
    """Set what follows from the options; `default`: nobody named a scenario."""
    if options.get("clock") == "virtual" and "wire" not in options:
        scenario_file.put(tree, "modes.wire", "inprocess")
    if default:  # some of the laptop scenario's keys fit its own model only
        if isinstance(options.get("model"), str):
            scenario_file.put(tree, "model.scheduler", "default")
        if ("prompts" in options or "trace" in options) and "policy" not in options:
            # its policy wants a catalogue that ends
            scenario_file.put(tree, "policy.name", "drc-item")
    paced = options.get("denoiser") == "paced" or options.get("clock") == "virtual"
    if paced and has_no_profile(tree):
        scenario_file.put(tree, "model.profile", "cpu")


def _with_policy(scenario: Scenario, before: PolicySettings | None) -> Scenario:
    """The scenario with the text of its policy's file in it, where the policy is a file's; `before`
    are the settings of the scenario that this one was made of. Raises OptionError."""
    settings = scenario.policy
    if ".py" in settings.name:  # else the registry need not be imported
        from orchestrator import policies

        return scenario.model_copy(update={"policy": policies.resolved(settings)})
    if settings.source is not None:  # a run's record has it; a file is data, not code
        raise OptionError(
            "policy.source: a scenario brings no code of its own; name the policy's file: "
            "--policy FILE.py"
        )
    if before is not None and before.source is not None and before.name == settings.name:
        text = {"source": before.source}
        return scenario.model_copy(update={"policy": settings.model_copy(update=text)})
    return scenario


def _with_places(scenario: Scenario) -> Scenario:
    """The scenario with whole paths to the files that options have named: its record may be read
    from another folder."""
    workload = scenario.workload
    places = {
        key: str(in_home(name).absolute())
        for key, name in (("prompts", workload.prompts), ("trace", workload.trace))
        if name is not None
    }
    if not places:
        return scenario
    return scenario.model_copy(update={"workload": workload.model_copy(update=places)})


def _plain(value: Any) -> Any:
    """A value as YAML would have it: a path's text, an array library's number as Python's."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "dtype") and hasattr(value, "item") and not getattr(value, "shape", None):
        return value.item()
    return value
