"""Reads a Scenario from a file or a tree of keys; an error is one line, with the key's
path."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from midstep.errors import OptionError, ScenarioError
from midstep.events import KINDS
from midstep.home import in_home
from midstep.scenario import CATALOGUE_PICTURES, Scenario
from midstep.scenario_keys import trees_in
from midstep.scenario_yaml import LONGEST, copy_tree, read_yaml
from midstep.units import excerpt

__all__ = ["SHIPPED", "load", "own_tree", "parse", "put", "read", "shipped"]

SHIPPED = Path(__file__).parent / "scenarios"


def shipped() -> list[str]:
    """Names of the scenarios in the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def load(name: str | None, settings: Sequence[str] = ()) -> Scenario:
    """The scenario of a shipped name or a file, with `key.path=value` settings. Raises
    ScenarioError, OptionError."""
    return parse(read(name), settings, name or "laptop")


def read(name: str | None) -> dict[str, Any]:
    """The unvalidated tree of a shipped name or a file. Raises ScenarioError."""
    path = SHIPPED / f"{name or 'laptop'}.yaml"
    if not path.is_file():
        path = in_home(str(name))
    if not path.is_file():
        raise ScenarioError(
            f"no scenario {name!r}: no such file, and the shipped ones are {', '.join(shipped())}"
        )
    try:
        with path.open(encoding="utf-8") as file:
            tree = read_yaml(file.read(LONGEST + 1))
    except (ValueError, OSError) as error:
        raise ScenarioError(f"{path}: not YAML: {error}") from error
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ScenarioError(
            f"{path}: a scenario is a tree of keys, this is a {type(tree).__name__}"
        )
    _place_files(tree, path.parent)
    return tree


def _place_files(tree: dict[str, Any], folder: Path) -> None:
    """Let the files that a scenario's file names lie beside it."""
    edges = tree.get("edges")
    for edge in edges if isinstance(edges, list) else []:
        if isinstance(edge, dict) and isinstance(edge.get("disk_path"), str):
            edge["disk_path"] = str((folder / in_home(edge["disk_path"])).absolute())
    for part, key in (("workload", "prompts"), ("workload", "trace"), ("reuse", "table")):
        keys = tree.get(part)
        if isinstance(keys, dict) and isinstance(keys.get(key), str):
            keys[key] = str((folder / in_home(keys[key])).absolute())
    workload = tree.get("workload")
    start = workload.get("start") if isinstance(workload, dict) else None
    if isinstance(start, dict) and isinstance(start.get("pictures"), str):
        pictures = start["pictures"]
        if pictures != CATALOGUE_PICTURES:
            start["pictures"] = str((folder / in_home(pictures)).absolute())


def parse(
    tree: Mapping[str, Any], settings: Sequence[str] = (), where: str = "scenario"
) -> Scenario:
    """Validate a tree. Raises ScenarioError, or OptionError for a setting: one line with the key's
    path and what would be right."""
    merged = own_tree(tree, where)
    merged.pop("versions", None)  # a recorded scenario.yaml carries them; they are no setting
    for setting in settings:
        _set(merged, setting)
    try:
        return Scenario.model_validate(merged)
    except ValidationError as error:
        raise ScenarioError(f"{where}: {_explain(error)}") from error


def own_tree(tree: Mapping[str, Any], where: str = "scenario") -> dict[str, Any]:
    """A copy of an unvalidated tree, for `put`. Raises ScenarioError where it is too large or too
    deep."""
    try:
        copied: dict[str, Any] = copy_tree(dict(tree))
    except ValueError as error:
        raise ScenarioError(f"{where}: {error}") from error
    return copied


def put(tree: dict[str, Any], path: str, value: Any) -> None:
    """Set the value at a dotted path of an unvalidated tree. Raises OptionError."""
    _put(tree, path, value, f"{path}={value}")


def _set(tree: dict[str, Any], setting: str) -> None:
    path, equals, text = setting.partition("=")
    if not equals or not path:
        raise OptionError(f"--set {_shorten(setting)}: write --set path.to.key=value")
    try:
        value = read_yaml(text)
    except ValueError as error:
        raise OptionError(f"--set {_shorten(setting)}: the value is not YAML: {error}") from error
    _put(tree, path, value, setting)


def _put(tree: dict[str, Any], path: str, value: Any, setting: str) -> None:
    *parents, last = path.split(".")
    node: Any = tree
    for part in parents:
        if isinstance(node, list):
            node = node[_index(node, part, setting)]
        else:
            if node.get(part) is None:
                node[part] = [{}] if part in {"edges", "devices"} else {}
            node = node[part]
        if not isinstance(node, (dict, list)):
            raise OptionError(
                f"--set {_shorten(setting)}: {_shorten(part)} is a value, it has no keys"
            )
    if isinstance(node, list):
        node[_index(node, last, setting)] = value
    else:
        node[last] = value


def _index(node: list[Any], part: str, setting: str) -> int:
    """The index that a path's part names. Raises OptionError where the list has no such item."""
    # isdecimal alone takes other scripts' digits, and int() refuses thousands of them
    number = int(part) if part.isascii() and part.isdecimal() and len(part) < 10 else len(node)
    if number >= len(node):
        raise OptionError(
            f"--set {_shorten(setting)}: {excerpt(part)} is no index into a list of {len(node)}; "
            f"write e.g. edges.0.capacity=1MB"
        )
    return number


def _explain(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    kind = _kind(first["loc"])
    place = first["loc"] if kind is None else (*first["loc"][:2], *first["loc"][3:])
    path = ".".join(_shorten(str(part)) for part in place)
    if first["type"] == "extra_forbidden":
        known = _keys(place[:-1], kind)
        near = difflib.get_close_matches(_shorten(str(place[-1])), known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
        return f"{path}: unknown key; {hint}"
    if first["type"] == "union_tag_invalid":
        return f"{path}.kind: there is no such event; known are {', '.join(KINDS)}"
    if first["type"] in ("model_type", "union_tag_not_found"):
        return f"{path}: a tree of keys belongs here; known are {', '.join(_keys(place))}"
    reason = " ".join(first["msg"].removeprefix("Value error, ").split())
    return f"{path}: {reason}" if path else reason


def _kind(place: tuple[int | str, ...]) -> str | None:
    """The kind of the event in which an error is; pydantic has it in its place."""
    is_event = len(place) > 2 and place[0] == "timeline" and place[2] in KINDS
    return str(place[2]) if is_event else None


def _keys(parents: tuple[int | str, ...], kind: str | None = None) -> list[str]:
    """The keys that may stand at a path of the tree; `kind` is that of an event in it."""
    if kind is not None and len(parents) == 2:
        return [field.alias or name for name, field in KINDS[kind].model_fields.items()]
    node: Any = Scenario
    named = False  # whether the next part is a name of the user's own, as in `thresholds`
    for part in parents:
        if named or isinstance(part, int):
            named = False
            continue
        field = next((f for n, f in node.model_fields.items() if part in (n, f.alias)), None)
        inner = trees_in(field.annotation) if field is not None else ()
        if field is None or not inner:
            return []
        node = inner[0]
        named = getattr(field.annotation, "__origin__", None) is dict
    return [field.alias or name for name, field in node.model_fields.items()]


def _shorten(text: str) -> str:
    """At most 60 characters of a text, on one line."""
    line = " ".join(text[:61].split())
    return line if len(text) <= 60 else f"{line[:57]}..."
