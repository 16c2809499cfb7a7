"""Keys of a scenario as a reader wants them: values, unit, default and meaning, from the classes of
midstep/scenario.py."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

import annotated_types
import yaml
from pydantic import BeforeValidator
from pydantic.fields import FieldInfo

from midstep import units
from midstep.scenario import Scenario
from midstep.tree import Range, Tree

__all__ = ["Key", "Section", "keys", "sections", "trees_in", "unit"]

# what a key's name ends with -> unit
_UNITS = {
    "_ms": "ms",
    "_s": "s",
    "_seconds": "s",
    "_mhz": "MHz",
    "_m": "m",
    "_w": "W",
    "watts": "W",
    "_nj_per_bit": "nJ/bit",
    "_j": "J",
    "_bytes": "bytes",
    "_per_minute": "1/min",
    "_per_slot": "1/slot",
    "weight_v": "s",
    "height": "pixels",
    "width": "pixels",
}
_PARTS: dict[Any, str] = {tuple: ".N", dict: ".NAME"}
_SEVERAL_TREES: dict[Any, str] = {tuple: "list of trees", dict: "names, a tree each"}
_SEVERAL: dict[Any, str] = {tuple: "list", dict: "names, a value each"}
_KINDS: dict[Any, str] = {int: "whole number", float: "number", str: "text", bool: "true, false"}


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key of a tree: its `name` in a file, what it may hold (`values`), `unit` ("" for none),
    `default` as YAML (None where it must be given), `meaning`, and the `trees` that may stand
    there, with the `part` of a path between the key and theirs: an index into a list, a name of the
    user's own, or ""."""

    name: str
    values: str
    unit: str
    default: str | None
    meaning: str
    trees: tuple[type[Tree], ...]
    part: str


@dataclass(frozen=True, kw_only=True)
class Section:
    """A tree at a place of the scenario: the `path` of its keys ("" for the whole, such as
    `edges.N` or `thresholds.NAME` within it), its class and its keys."""

    path: str
    tree: type[Tree]
    keys: tuple[Key, ...]


def sections(
    tree: type[Tree] = Scenario, path: str = "", base: type[Tree] | None = None
) -> Iterator[Section]:
    """A tree and all trees within it, each before its own. Where one of several kinds may stand,
    first what all have, their base class; each kind then without the keys of that `base`, but with
    the first, which tells kinds apart."""
    known = [] if base is None else [key.name for key in keys(base)][1:]
    section = Section(
        path=path, tree=tree, keys=tuple(key for key in keys(tree) if key.name not in known)
    )
    yield section
    for key in section.keys:
        below = f"{path}.{key.name}{key.part}".lstrip(".")
        if len(key.trees) < 2:
            for inner in key.trees:
                yield from sections(inner, below)
            continue
        common = _common(key.trees)
        yield from sections(common, below)
        for inner in key.trees:
            yield from sections(inner, below, common)


def _common(trees: tuple[type[Tree], ...]) -> type[Tree]:
    """The nearest base class of several trees."""
    first, *others = trees
    return next(
        base
        for base in first.__mro__
        if issubclass(base, Tree) and all(issubclass(tree, base) for tree in others)
    )


def keys(tree: type[Tree]) -> list[Key]:
    """The keys of a tree, in their order."""
    return [_key(field.alias or name, field) for name, field in tree.model_fields.items()]


def trees_in(annotation: Any) -> tuple[type[Tree], ...]:
    """The trees that a key of this type may hold, by itself or in a list."""
    if isinstance(annotation, type) and issubclass(annotation, Tree):
        return (annotation,)
    return tuple(tree for inner in get_args(annotation) for tree in trees_in(inner))


def unit(name: str, field: FieldInfo) -> str:
    """The unit of a key's value; "" for a text, a count or a share."""
    if _reads(field, units.size):
        return "bytes"
    ends = (short for end, short in _UNITS.items() if name.endswith(end))
    return next(ends, "")


def _key(name: str, field: FieldInfo) -> Key:
    trees = trees_in(field.annotation)
    return Key(
        name=name,
        values=_values(field, trees),
        unit="" if trees else unit(name, field),
        default=None if field.is_required() else _default(field.default),
        meaning=" ".join((field.description or "").split()),
        trees=trees,
        part=_PARTS.get(_origin(field), "") if trees else "",
    )


def _origin(field: FieldInfo) -> Any:
    """`tuple` or `dict` where the key holds several values, else what typing has for the rest."""
    return get_origin(field.annotation)


def _reads(field: FieldInfo, reader: Any) -> bool:
    """Whether a key's value is read by this function of midstep.units."""
    return any(
        isinstance(item, BeforeValidator) and item.func is reader for item in _constraints(field)
    )


def _constraints(field: FieldInfo) -> list[Any]:
    """Bounds and readers of a key, also those within `X | None`."""
    inner = [i for part in get_args(field.annotation) for i in getattr(part, "__metadata__", ())]
    flat: list[Any] = []
    for item in [*field.metadata, *inner]:
        flat += getattr(item, "metadata", [item]) if isinstance(item, FieldInfo) else [item]
    return flat


def _values(field: FieldInfo, trees: tuple[type[Tree], ...]) -> str:
    """What may stand at a key, in words."""
    annotation: Any = field.annotation
    if trees:
        return _SEVERAL_TREES.get(_origin(field), "tree")
    if annotation == Range:
        return "[low, high], 0 < low <= high"
    if _origin(field) in _SEVERAL:
        return _SEVERAL[_origin(field)]
    options = _options(annotation)
    if options:
        return ", ".join(f"`{option}`" for option in options)
    if _reads(field, units.seconds):
        return _bounded("duration such as 90s", field)
    if _reads(field, units.size):
        return _bounded("size such as 500KB", field)
    return _bounded(_KINDS.get(_plain(annotation), "value"), field)


def _options(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return tuple(option for part in get_args(annotation) for option in _options(part))


def _plain(annotation: Any) -> Any:
    """The type of a value, without null and without what is said of it."""
    if annotation in _KINDS:
        return annotation
    return next((_plain(part) for part in get_args(annotation) if part is not type(None)), None)


def _bounded(text: str, field: FieldInfo) -> str:
    """A kind of value with its bounds."""
    low = ""
    high = ""
    for bound in _constraints(field):
        if isinstance(bound, annotated_types.Gt):
            low = f"above {bound.gt}"
        elif isinstance(bound, annotated_types.Ge):
            low = low or f"{bound.ge} or more"
        elif isinstance(bound, annotated_types.Le):
            high = f"to {bound.le}"
        elif isinstance(bound, annotated_types.Lt):
            high = f"and below {bound.lt}"
    if high.startswith("to"):
        low = low.removesuffix(" or more")
    bounds = " ".join(part for part in (low, high) if part)
    return f"{text}, {bounds}" if bounds else text


def _default(value: Any) -> str:
    """A default as a file would have it; "" for a tree of defaults, whose section has them."""
    if isinstance(value, tuple):
        value = [{} if isinstance(item, Tree) else item for item in value]
    elif isinstance(value, Tree):
        if not value.model_fields_set:
            return ""
        value = value.model_dump(mode="json", by_alias=True, exclude_none=True)
    text: str = yaml.safe_dump(value, default_flow_style=True, width=200)
    return text.removesuffix("...\n").strip()
