"""Reading YAML as strictly as those who get it: no key twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml


class _Strict(yaml.SafeLoader):
    """SafeLoader takes the last of two equal keys in silence."""


def _mapping(loader: _Strict, node: yaml.MappingNode) -> Iterator[dict[Any, Any]]:
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    for key in keys:
        if keys.count(key) > 1:
            raise ValueError(f"line {node.start_mark.line + 1}: the key {key} is there twice")
    made: dict[Any, Any] = {}
    yield made
    made.update(loader.construct_mapping(node))


_Strict.add_constructor("tag:yaml.org,2002:map", _mapping)


def documents(path: Path) -> list[Any]:
    """The documents of a YAML file. Raises ValueError where it is none, or a key is there twice."""
    try:
        return [
            made for made in yaml.load_all(path.read_text(), Loader=_Strict) if made is not None
        ]
    except yaml.YAMLError as error:
        raise ValueError(f"no YAML: {error}") from error


def document(path: Path) -> dict[str, Any]:
    """The one mapping that a file is. Raises ValueError where it is not."""
    made = documents(path)
    if len(made) != 1 or not isinstance(made[0], dict):
        raise ValueError("must be one YAML document with keys")
    return made[0]
