"""Scenario files and settings."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import yaml

from midstep.scenario_file import SHIPPED, read, shipped
from orchestrator.live.launch import Options, check
from orchestrator.live.scenario_options import resolve_scenario
from tests.fuzz.kind import Kind
from tests.fuzz.mutation import damaged, nasty_text, nasty_value, with_odd_leaf

__all__ = ["Scenarios"]

EXAMPLE = Path(__file__).parents[2] / "midstep/experiments"


class Scenarios(Kind):
    """A shipped scenario with damage in its text or an odd value in its tree, and odd settings;
    read, and checked as before a run."""

    name = "scenarios"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._texts = [path.read_bytes() for path in sorted(SHIPPED.glob("*.yaml"))]
        self._texts += [path.read_bytes() for path in sorted(EXAMPLE.glob("*.yaml"))]
        self._trees = [read(name) for name in shipped()]
        full = resolve_scenario(None, {}).model_dump(mode="json", by_alias=True)
        self._trees.append(full)
        self._paths = [*_paths(full)]

    def one(self, rng: Random) -> None:
        """Read one, and check it."""
        path = self.folder / "scenario.yaml"
        choice = rng.random()
        settings: list[str] = []
        if choice < 0.4:
            path.write_bytes(damaged(rng.choice(self._texts), rng))
        elif choice < 0.7:
            tree = with_odd_leaf(rng.choice(self._trees), rng)
            path.write_text(yaml.safe_dump(tree, allow_unicode=True), errors="surrogatepass")
        else:
            path.write_bytes(rng.choice(self._texts[: len(self._trees) - 1]))
            settings = [_setting(rng, self._paths) for _ in range(rng.choice((1, 1, 2)))]
        scenario = resolve_scenario(str(path), {}, settings)
        if rng.random() < 0.3:
            check(scenario, Options())


def _setting(rng: Random, paths: list[str]) -> str:
    path = rng.choice(paths)
    if rng.random() < 0.1:
        path += "." + nasty_text(rng)
    value = nasty_value(rng)
    return f"{path}={nasty_text(rng) if rng.random() < 0.5 else _short(value)}"


def _short(value: Any) -> str:
    return "9" * 400 if isinstance(value, int) and value > 10**300 else str(value)


def _paths(tree: Any, at: str = "") -> list[str]:
    """The dotted paths of a tree."""
    if isinstance(tree, dict):
        pairs = [(str(key), item) for key, item in tree.items()]
    elif isinstance(tree, list):
        pairs = [(str(number), item) for number, item in enumerate(tree)]
    else:
        return []
    paths = []
    for key, item in pairs:
        path = f"{at}.{key}" if at else key
        paths += [path, *_paths(item, path)]
    return paths
