"""From a file, or a tree of keys, to a Scenario; what is wrong is told in one line, with the key's
path."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from midstep.errors import ScenarioError
from midstep.scenario import Scenario, Tree

SHIPPED = Path(__file__).parent / "scenarios"


def shipped() -> list[str]:
    """Names of the scenarios in the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def load(name: str | None, settings: Sequence[str] = ()) -> Scenario:
    """The scenario of a shipped name or a file, with `key.path=value` settings. Raises
    ScenarioError."""
    return parse(read(name), settings, name or "laptop")


def read(name: str | None) -> dict[str, Any]:
    """The unvalidated tree of a shipped name or a file. Raises ScenarioError."""
    path = SHIPPED / f"{name or 'laptop'}.yaml"
    if not path.is_file():
        path = Path(str(name)).expanduser()
    if not path.is_file():
        raise ScenarioError(
            f"no scenario {name!r}: no such file, and the shipped ones are {', '.join(shipped())}"
        )
    try:
        tree = yaml.safe_load(path.read_text()) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ScenarioError(f"{path}: not YAML: {reason}") from error
    if not isinstance(tree, dict):
        raise ScenarioError(
            f"{path}: a scenario is a tree of keys, this is a {type(tree).__name__}"
        )
    return tree


def parse(
    tree: Mapping[str, Any], settings: Sequence[str] = (), where: str = "scenario"
) -> Scenario:
    """Validate a tree. Raises ScenarioError: one line with the key's path and what would be
    right."""
    merged = yaml.safe_load(yaml.safe_dump(dict(tree)))
    merged.pop("versions", None)  # a recorded scenario.yaml carries them; they are no setting
    for setting in settings:
        _set(merged, setting)
    try:
        return Scenario.model_validate(merged)
    except ValidationError as error:
        raise ScenarioError(f"{where}: {_explain(error)}") from error


def put(tree: dict[str, Any], path: str, value: Any) -> None:
    """Set the value at a dotted path of an unvalidated tree. Raises ScenarioError."""
    _put(tree, path, value, f"{path}={value}")


def _set(tree: dict[str, Any], setting: str) -> None:
    path, equals, text = setting.partition("=")
    if not equals or not path:
        raise ScenarioError(f"--set {setting}: write --set path.to.key=value")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ScenarioError(f"--set {setting}: the value is not YAML") from error
    _put(tree, path, value, setting)


def _put(tree: dict[str, Any], path: str, value: Any, setting: str) -> None:
    *parents, last = path.split(".")
    node: Any = tree
    for part in parents:
        if isinstance(node, list):
            node = _item(node, part, setting)
        else:
            if node.get(part) is None:
                node[part] = [{}] if part in {"edges", "devices"} else {}
            node = node[part]
        if not isinstance(node, (dict, list)):
            raise ScenarioError(f"--set {setting}: {part} is a value, it has no keys")
    if isinstance(node, list):
        _item(node, last, setting)
        node[int(last)] = value
    else:
        node[last] = value


def _item(node: list[Any], part: str, setting: str) -> Any:
    if not part.isdigit() or int(part) >= len(node):
        raise ScenarioError(
            f"--set {setting}: {part!r} is no index into a list of {len(node)}; write e.g. "
            f"edges.0.capacity=1MB"
        )
    return node[int(part)]


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    path = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = _keys(first["loc"][:-1])
        near = difflib.get_close_matches(str(first["loc"][-1]), known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
        return f"{path}: unknown key; {hint}"
    reason = first["msg"].removeprefix("Value error, ")
    return f"{path}: {reason}" if path else reason


def _keys(parents: tuple[int | str, ...]) -> list[str]:
    """The keys that may stand at a path of the tree."""
    node: Any = Scenario
    for part in parents:
        if isinstance(part, int):
            continue
        field = next((f for n, f in node.model_fields.items() if part in (n, f.alias)), None)
        inner = _tree_in(field.annotation) if field is not None else None
        if inner is None:
            return []
        node = inner
    return [field.alias or name for name, field in node.model_fields.items()]


def _tree_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, Tree):
        return annotation
    return next(
        (
            found
            for arg in getattr(annotation, "__args__", ())
            if (found := _tree_in(arg)) is not None
        ),
        None,
    )
