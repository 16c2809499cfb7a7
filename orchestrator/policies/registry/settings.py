"""Makes a policy from a scenario's `policy` section: its class, its checked parameters, an object
of it."""

from __future__ import annotations

import difflib
import inspect
import sys
import types
from typing import Any, Union, get_args, get_origin, get_type_hints

from midstep import scenario as scenarios
from midstep.errors import OptionError, ScenarioError
from orchestrator.policies.base import Policy
from orchestrator.policies.registry.lookup import find
from orchestrator.policies.registry.outside import PolicyText, is_path, load_file, load_text

__all__ = ["chosen", "make", "parameters", "registered", "resolved"]

_SIMPLE = {bool, int, float, str, type(None)}  # the types that a scenario can give


def resolved(settings: scenarios.PolicySettings) -> scenarios.PolicySettings:
    """The settings with a file's text in them where the name is a file's, and with its policy's
    name. Raises OptionError."""
    if not is_path(settings.name):
        return settings
    cls, text = load_file(settings.name)
    source = scenarios.PolicySource.model_validate(
        {"file": text.file, "class": text.class_name, "text": text.text}
    )
    return settings.model_copy(update={"name": cls.name, "source": source})


def registered(name: str, where: str) -> str:
    """A policy's name as it is, or that of a file's policy, which is registered with it. Raises
    OptionError."""
    return load_file(name, where)[0].name if is_path(name) else name


def chosen(settings: scenarios.PolicySettings) -> type[Policy]:
    """The class that a live run's settings choose. Raises ScenarioError, one line."""
    source = settings.source
    if source is None:
        return find(settings.name, "live")
    try:
        cls = load_text(
            PolicyText(file=source.file, text=source.text, class_name=source.class_name)
        )
    except OptionError as error:
        raise ScenarioError(f"policy.source: {error}") from error
    if cls.name != settings.name:
        raise ScenarioError(
            f"policy.name: {settings.name} is not what policy.source defines, which is {cls.name}"
        )
    return cls


def make(settings: scenarios.PolicySettings) -> Policy:
    """A fresh policy with the settings' parameters. Raises ScenarioError, one line."""
    cls = chosen(settings)
    accepted = parameters(cls)
    names = ", ".join(f"{name} ({_shown(kind)})" for name, kind in accepted.items()) or "none"
    for name, value in settings.params.items():
        if name not in accepted:
            near = difflib.get_close_matches(name, accepted, n=1)
            hint = f"did you mean {near[0]}? There is" if near else "there is"
            raise ScenarioError(
                f"policy.params.{name}: {cls.name} has no such parameter; {hint} {names}"
            )
        if not _fits(value, accepted[name]):
            raise ScenarioError(
                f"policy.params.{name}: {value!r} is no {_shown(accepted[name])}; there is {names}"
            )
    missing = [
        name
        for name, parameter in _signature(cls).items()
        if parameter.default is parameter.empty and name not in settings.params
    ]
    if missing:
        raise ScenarioError(f"policy.params: {cls.name} needs {missing[0]}; there is {names}")
    try:
        return cls(**settings.params)
    except (TypeError, ValueError) as error:
        raise ScenarioError(f"policy.params: {cls.name} refuses them: {error}") from error


def parameters(cls: type[Policy]) -> dict[str, Any]:
    """The parameters of a policy's __init__ that a scenario can give, each with its type."""
    kinds = {name: _kind(parameter, cls) for name, parameter in _signature(cls).items()}
    return {name: kind for name, kind in kinds.items() if kind is not None}


def _signature(cls: type[Policy]) -> dict[str, inspect.Parameter]:
    if cls.__init__ is object.__init__:
        return {}
    every = list(inspect.signature(cls.__init__).parameters.values())[1:]
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {parameter.name: parameter for parameter in every if parameter.kind in named}


def _kind(parameter: inspect.Parameter, cls: type[Policy]) -> Any:
    """A parameter's type: as annotated, else its default's; None where a scenario cannot give
    it."""
    kind = parameter.annotation
    if isinstance(kind, str):
        alone = types.SimpleNamespace(__annotations__={parameter.name: kind})
        scope = vars(sys.modules[cls.__init__.__module__])
        try:
            kind = get_type_hints(alone, dict(scope))[parameter.name]
        except Exception:  # a name that only type checkers know
            return None
    if kind is inspect.Parameter.empty:
        kind = type(parameter.default)
    options = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    return kind if all(option in _SIMPLE for option in options) else None


def _fits(value: Any, kind: Any) -> bool:
    options = get_args(kind) or (kind,)
    return type(value) in options or (type(value) is int and float in options)


def _shown(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) else str(kind)
