"""YAML as scenarios have it: no key twice, nothing deep, and no small file that stands for a huge
tree."""

from __future__ import annotations

from collections import Counter
from typing import Any

import yaml

__all__ = ["copy_tree", "read_yaml"]

DEEPEST = 50  # trees within trees; a scenario has five
MOST_VALUES = 100_000  # of a tree, each alias counted as often as it stands for something
MOST_NODES = 20_000  # of a text: PyYAML reads so many in a second
LONGEST = 1 << 20  # characters of a text


def read_yaml(text: str) -> Any:
    """The tree of a YAML text. Raises ValueError, one line, for whatever is wrong with it."""
    if len(text) > LONGEST:
        raise ValueError(f"it has {len(text)} characters, the limit is {LONGEST}")
    try:
        return copy_tree(yaml.load(text, Loader=_Loader))
    except (yaml.YAMLError, ArithmeticError, AttributeError, TypeError, ValueError) as error:
        # PyYAML's constructors raise what they run into: `!!timestamp x`, 2001-99-99, 5,000 digits
        reason = " ".join(str(error)[:300].split())
        raise ValueError(reason or type(error).__name__) from error


def copy_tree(tree: Any) -> Any:
    """A copy of dicts, lists and scalars in which nothing stands twice, however often an alias
    named it. Raises ValueError where it would be too large or too deep."""
    return _Copy().of(tree, 0)


class _Copy:
    def __init__(self) -> None:
        self._values = 0

    def of(self, value: Any, depth: int) -> Any:
        self._values += 1
        if self._values > MOST_VALUES:
            raise ValueError(f"it holds more than {MOST_VALUES} values")
        if depth > DEEPEST:
            raise ValueError(f"it is nested more than {DEEPEST} deep")
        if isinstance(value, dict):
            return {key: self.of(item, depth + 1) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.of(item, depth + 1) for item in value]
        return value


class _Loader(yaml.SafeLoader):
    """PyYAML's own, which says nothing of a key that stands twice, recurses without end, and lets
    `<<` double a mapping as often as a text likes."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._nodes = 0
        self._merged = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._depth += 1
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise ValueError(f"it holds more than {MOST_NODES} keys and values")
        if self._depth > DEEPEST:
            raise ValueError(f"it is nested more than {DEEPEST} deep")
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        names = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        for name, times in names.items():
            if times > 1:
                line = node.start_mark.line + 1
                raise ValueError(
                    f"the key {name[:60]!r} stands twice in the tree that begins in line {line}"
                )
        return node

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        super().flatten_mapping(node)
        self._merged += len(node.value)
        if self._merged > MOST_VALUES:
            raise ValueError(f"its merge keys make more than {MOST_VALUES} values")
