"""Policies by name: the package's own, those of entry points, those of files outside."""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import pkgutil
from collections.abc import Callable, Iterable

from midstep.errors import MidstepError, OptionError, ScenarioError
from orchestrator.decision.problem import Problem
from orchestrator.policies import base
from orchestrator.policies.base import Policy
from orchestrator.policies.registry.broken import reason
from orchestrator.policies.registry.needs import Place, lack, usable_in

__all__ = ["Place", "broken", "check", "find", "import_modules", "names", "usable"]

GROUP = "midstep.policies"  # of entry points
SCENARIO = "policy.name"  # where a name stands in a scenario
_broken: dict[str, str] = {}
_entry_points_are_loaded = False


def import_modules(package: str, path: Iterable[str]) -> None:
    """Import every module of a package for its policies. One that cannot be imported is noted, and
    leaves nothing behind."""
    for module in pkgutil.iter_modules(path):
        name = f"{package}.{module.name}"
        _guarded(name.replace(".", "/"), lambda name=name: importlib.import_module(name))  # type: ignore[misc]


def names() -> list[str]:
    """All registered policies."""
    _load_entry_points()
    return sorted(base._REGISTRY)


def broken() -> dict[str, str]:
    """Modules and entry points whose policies are missing, each with its reason in one line."""
    _load_entry_points()
    return dict(_broken)


def usable(place: Place) -> list[str]:
    """The policies that can be used at a place."""
    return [name for name in names() if usable_in(base._REGISTRY[name], place)]


def find(name: str, place: Place | None = None, where: str = SCENARIO) -> type[Policy]:
    """The class of that name. Raises ScenarioError, or OptionError where the name stands in an
    option, that says what is near and what can be used at `place`."""
    if name not in base._REGISTRY:
        _load_entry_points()
    if name in base._REGISTRY:
        return base._REGISTRY[name]
    choices = names() if place is None else usable(place)
    near = difflib.get_close_matches(name, choices, n=1)
    hint = f"did you mean {near[0]}? There is" if near else "there is"
    lost = "".join(f"; {part} is broken: {why}" for part, why in broken().items())
    raise _error(where, f"no policy {name!r}; {hint} {', '.join(choices)}{lost}")


def check(name: str, problem: Problem, place: Place | None = None, where: str = SCENARIO) -> None:
    """Raise as `find` does where policy `name` cannot be used on `problem`, saying what it
    lacks."""
    why = lack(find(name, place, where), problem, place)
    if why is not None:
        raise _error(where, f"{name} {why}")


def _error(where: str, text: str) -> MidstepError:
    kind = OptionError if where.startswith("--") else ScenarioError
    return kind(f"{where}: {text}")


def _load_entry_points() -> None:
    global _entry_points_are_loaded
    if _entry_points_are_loaded:
        return
    _entry_points_are_loaded = True
    for point in importlib.metadata.entry_points(group=GROUP):
        _guarded(f"entry point {point.name} ({point.value})", point.load)


def _guarded(part: str, load: Callable[[], object]) -> None:
    """Load a part; where it raises, forget what it had registered so far."""
    before = dict(base._REGISTRY)
    try:
        load()
    except (Exception, SystemExit) as error:  # somebody's code: whatever it raises is its own
        base._REGISTRY.clear()
        base._REGISTRY.update(before)
        _broken[part] = reason(error)
