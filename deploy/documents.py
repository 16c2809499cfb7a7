"""Read YAML as strictly as Kubernetes and Compose do: no key twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml


class _Strict(yaml.SafeLoader):
    """SafeLoader, which takes the last of two equal keys in silence, with an error for them."""


def _mapping(loader: _Strict, node: yaml.MappingNode) -> Iterator[dict[Any, Any]]:
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    for key in keys:
        if keys.count(key) > 1:
            raise ValueError(f"line {node.start_mark.line + 1}: the key {key} is there twice")
    mapping: dict[Any, Any] = {}
    yield mapping
    mapping.update(loader.construct_mapping(node))


_Strict.add_constructor("tag:yaml.org,2002:map", _mapping)


def documents(path: Path) -> list[Any]:
    """Load the documents of a file. Raises ValueError where it is no YAML or has a key twice."""
    try:
        return [
            tree for tree in yaml.load_all(path.read_text(), Loader=_Strict) if tree is not None
        ]
    except yaml.YAMLError as error:
        raise ValueError(f"no YAML: {error}") from error


def document(path: Path) -> dict[str, Any]:
    """Load a file that is one mapping. Raises ValueError where it is anything else."""
    trees = documents(path)
    if len(trees) != 1 or not isinstance(trees[0], dict):
        raise ValueError("must be one YAML document with keys")
    return trees[0]
