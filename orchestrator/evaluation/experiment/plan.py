"""The experiment's file: a scenario, what varies, and what it is compared with."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from midstep import scenario_file, units
from midstep.errors import OptionError
from midstep.home import in_home
from midstep.scenario_yaml import read_yaml
from midstep.tree import Tree
from midstep.units import excerpt

__all__ = ["SHIPPED", "Plan", "Road", "find", "read", "shipped", "with_settings"]

SHIPPED = scenario_file.SHIPPED.parent / "experiments"
Road = Literal["virtual", "simulate", "live"]
MOST_REPEATS = 1000
Seconds = Annotated[float, BeforeValidator(units.seconds), Field(gt=0)]


class Plan(Tree):
    """What an experiment plays. `vary` is a grid {key: [values]}, or a list of grids, whose points
    are put together; a key is a scenario's, or `users`, `capacity`, `policy`."""

    name: str = Field(pattern=r"^[A-Za-z0-9._-]+$")
    """What the experiment is called: its folder is runs/<name>."""
    scenario: str = "laptop"
    """A shipped scenario's name, or a file, sought beside the experiment's file first."""
    road: Road = "virtual"
    """How a point is played: in virtual time, simulated by discrete events, or live."""
    duration_s: Seconds | None = None
    """How long users ask, seconds; null: as the scenario says."""
    changes: dict[str, Any] = Field(default={}, alias="set")
    """What is changed in the scenario for every point: {key: value}."""
    vary: dict[str, Any] | list[dict[str, Any]]
    """What varies: {key: [values]}, every value with every other's; or a list of such grids."""
    baseline: dict[str, Any] = Field(default={})
    """What every other point is compared with: {key: value} of keys that vary."""
    repeat: int = Field(1, ge=1, le=MOST_REPEATS)
    """How often every point is run; above 1 only for `road: live`, where no two runs are equal."""

    @model_validator(mode="after")
    def _repeats_differ(self) -> Plan:
        if self.repeat > 1 and self.road != "live":
            raise ValueError(
                f"repeat: {self.road} gives the same run again; vary the seed instead, or set "
                f"road: live"
            )
        return self

    @model_validator(mode="after")
    def _one_duration(self) -> Plan:
        if "duration_s" in self.changes:
            raise ValueError("set.duration_s: write duration_s: beside set")
        return self

    @property
    def grids(self) -> list[dict[str, Any]]:
        """The grids of `vary`."""
        return self.vary if isinstance(self.vary, list) else [self.vary]


def shipped() -> list[str]:
    """Names of the experiments in the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def find(name: str) -> Path:
    """The file of a shipped experiment's name, or that file. Raises OptionError."""
    path = SHIPPED / f"{name}.yaml"
    if not path.is_file():
        path = in_home(name)
    if not path.is_file():
        raise OptionError(
            f"no experiment {excerpt(name)}: no such file, and the shipped ones are "
            f"{', '.join(shipped())}"
        )
    return path


def read(path: Path) -> Plan:
    """The plan in a file. Raises OptionError, one line with the key's path."""
    try:
        tree = read_yaml(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise OptionError(f"{path}: not YAML: {error}") from error
    if not isinstance(tree, dict):
        raise OptionError(
            f"{path}: an experiment is a tree of keys (name, scenario, vary, ...), this is a "
            f"{type(tree).__name__}"
        )
    try:
        return Plan.model_validate(tree)
    except ValidationError as error:
        raise OptionError(f"{path}: {_explain(error)}") from error


def with_settings(plan: Plan, settings: Sequence[str], baseline: Sequence[str]) -> Plan:
    """The plan with KEY=VALUE settings in its `set`, and another baseline where one is named.
    Raises OptionError."""
    changes = _pairs("--set", settings)
    update: dict[str, Any] = {}
    if "duration_s" in changes:  # of the plan: pages and progress say it
        try:
            update["duration_s"] = units.seconds(changes.pop("duration_s"))
        except ValueError as error:
            raise OptionError(f"--set duration_s: {error}") from error
    update["changes"] = {**plan.changes, **changes}
    if baseline:
        update["baseline"] = _pairs("--baseline", baseline)
    return plan.model_copy(update=update)


def _pairs(option: str, texts: Sequence[str]) -> dict[str, Any]:
    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise OptionError(f"{option} {text[:60]}: write {option} path.to.key=value")
        try:
            pairs[key] = read_yaml(value)
        except ValueError as error:
            raise OptionError(f"{option} {text[:60]}: the value is not YAML: {error}") from error
    return pairs


def _explain(error: ValidationError) -> str:
    # `vary` may be two things: pydantic tells of both, and the one that was meant comes first
    first = error.errors(include_url=False, include_input=False)[0]
    path = ".".join(str(part)[:60] for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = [field.alias or name for name, field in Plan.model_fields.items()]
        near = difflib.get_close_matches(path, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
        return f"{path}: unknown key; {hint}"
    if first["loc"][:1] == ("vary",) and first["type"] != "missing":
        return "vary: give a grid {key: [values]}, or a list of such grids"
    reason = " ".join(first["msg"].removeprefix("Value error, ").split())
    return f"{path}: {reason}" if path else reason
