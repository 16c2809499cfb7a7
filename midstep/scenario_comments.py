"""Writes a scenario as YAML with the meaning behind each value, which names its unit."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

import yaml

from midstep.scenario import Scenario
from midstep.scenario_keys import Key, keys
from midstep.tree import Tree

__all__ = ["commented"]

COLUMN = 40  # where comments begin; after longer values one space later
WIDTH = 110


def commented(scenario: Scenario) -> str:
    """The scenario as YAML, every value resolved and explained; read back, it is the same."""
    return "".join(f"{line}\n" for line in _tree(scenario, ""))


def _tree(tree: Tree, indent: str) -> Iterator[str]:
    for (name, _), key in zip(type(tree).model_fields.items(), keys(type(tree)), strict=True):
        value = getattr(tree, name)
        if isinstance(value, Tree):
            yield from _with_comment(f"{indent}{key.name}:", key.meaning)
            yield from _tree(value, f"{indent}  ")
        elif key.trees and value:
            yield from _with_comment(f"{indent}{key.name}:", key.meaning)
            yield from _trees(value, indent)
        else:
            yield from _with_comment(f"{indent}{_pair(tree, key)}", key.meaning)


def _trees(value: Any, indent: str) -> Iterator[str]:
    """Trees in a list, or under names of the user's own."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield f"{indent}  {_yaml(name)}:"
            yield from _tree(inner, f"{indent}    ")
        return
    for inner in value:
        first, *rest = _tree(inner, f"{indent}  ")
        yield f"{indent}- {first[len(indent) + 2 :]}"
        yield from rest


def _pair(tree: Tree, key: Key) -> str:
    dump = tree.model_dump(mode="json", by_alias=True)
    return f"{key.name}: {_yaml(dump[key.name])}"


def _yaml(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, str) and "\n" in value:
        return yaml.safe_dump(value, default_style='"', width=float("inf")).strip()
    text: str = yaml.safe_dump(value, default_flow_style=True, width=float("inf"))
    return text.removesuffix("...\n").strip()


def _with_comment(line: str, comment: str) -> Iterator[str]:
    """The line with its comment behind it, and below where it is long."""
    start = max(COLUMN, len(line) + 2)
    if start > WIDTH - 30:
        yield line
        return
    first, *rest = textwrap.wrap(comment, WIDTH - start - 2, break_long_words=False)
    yield f"{line:{start}}# {first}"
    yield from (f"{'':{start}}# {part}" for part in rest)
