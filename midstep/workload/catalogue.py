"""The prompt grammar of the default model: what it can be asked to draw, and in which words.

One grammar serves the trainer, the evaluation and the workload generator, so the prompts that the
model was taught can never drift from the prompts it is served. The words live in the model folder
(``catalogue.json``); this module only joins them.

Two kinds of prompt matter:

* the *edge prompt* is the semantic core that many users share: ``a panda on a beach``;
* the *user's prompt* says more: ``a small panda on the left, on a beach``.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

__all__ = [
    "UNSAID",
    "Background",
    "Catalogue",
    "Edge",
    "Ending",
    "Position",
    "Size",
    "Thing",
    "load_catalogue",
]

HELD_OUT_OFFSETS = (0, 3, 7, 12)
"""Object number n is never trained on the backgrounds number n + offset (modulo their count)."""

EXTRA_OFFSET = 5
"""One more held-out background for every sixth object: 48 * 4 + 8 = 200 pairs."""

EXTRA_EVERY = 6


@dataclass(frozen=True)
class Thing:
    """An object the model can draw; ``glyph`` is the code point that names its artwork."""

    name: str
    article: str
    glyph: str


@dataclass(frozen=True)
class Background:
    """A plain colour (``rgb``, 0..255) or a scene (``rgb`` is None)."""

    name: str
    phrase: str
    rgb: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class Size:
    """How large the object is: its longer side in pixels. An empty word adds nothing."""

    name: str
    word: str
    pixels: int


@dataclass(frozen=True)
class Position:
    """Where the object is, 0 = left or top edge, 1 = right or bottom edge."""

    name: str
    phrase: str
    x: float
    y: float


@dataclass(frozen=True)
class Edge:
    """An object on a background, by their indices in the catalogue."""

    thing: int
    background: int


@dataclass(frozen=True)
class Ending:
    """What a user's prompt adds to an edge prompt, by indices; ``UNSAID`` adds nothing."""

    size: int
    position: int


UNSAID = Ending(0, 0)
"""Neither size nor position is mentioned: what the edge prompt asks for."""


@dataclass(frozen=True)
class Catalogue:
    """Everything that can be asked for. Index 0 of sizes and positions is the unsaid one."""

    things: tuple[Thing, ...]
    backgrounds: tuple[Background, ...]
    sizes: tuple[Size, ...]
    positions: tuple[Position, ...]

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """All object-background pairs, in the order of their popularity ranks at a run's start.

        Sorting by a hash of the prompt mixes objects and backgrounds well and depends on the
        words alone, so ranks survive any reordering of the catalogue file.
        """
        pairs = (
            Edge(thing, background)
            for thing, background in product(range(len(self.things)), range(len(self.backgrounds)))
        )
        return tuple(sorted(pairs, key=lambda edge: _digest(self.prompt(edge))))

    @cached_property
    def edge_prompts(self) -> tuple[str, ...]:
        """The core prompt of each of ``edges``, in the same order."""
        return tuple(self.prompt(edge) for edge in self.edges)

    @cached_property
    def endings(self) -> tuple[Ending, ...]:
        """All size-position pairs; the first one leaves both unsaid."""
        return tuple(
            Ending(size, position)
            for size, position in product(range(len(self.sizes)), range(len(self.positions)))
        )

    @cached_property
    def held_out(self) -> frozenset[Edge]:
        """The pairs kept out of all training; the model's quality is measured on them."""
        count = len(self.backgrounds)
        pairs = {
            Edge(thing, (thing + offset) % count)
            for thing, offset in product(range(len(self.things)), HELD_OUT_OFFSETS)
        }
        extra = range(0, len(self.things), EXTRA_EVERY)
        return frozenset(pairs | {Edge(n, (n + EXTRA_OFFSET) % count) for n in extra})

    @cached_property
    def _edge_by_prompt(self) -> dict[str, Edge]:
        return dict(zip(self.edge_prompts, self.edges, strict=True))

    @cached_property
    def _core_by_prompt(self) -> dict[str, str]:
        return {
            self.prompt(edge, ending): core
            for edge, core in zip(self.edges, self.edge_prompts, strict=True)
            for ending in self.endings
        }

    def core(self, prompt: str) -> str | None:
        """The edge prompt of a prompt of the catalogue, with an ending or without; None where it is
        none. Case and spaces do not count."""
        return self._core_by_prompt.get(" ".join(prompt.lower().split()))

    def parts(self, edge_prompt: str) -> tuple[str, ...]:
        """Object and background of an edge prompt. Other words are one part, themselves."""
        edge = self._edge_by_prompt.get(edge_prompt)
        if edge is None:
            return (edge_prompt,)
        return self.things[edge.thing].name, self.backgrounds[edge.background].name

    def ending(self, edge_prompt: str, prompt: str) -> Ending | None:
        """What ``prompt`` adds to ``edge_prompt``; None where one of them is no prompt of the
        catalogue, or they do not belong together."""
        edge = self._edge_by_prompt.get(edge_prompt)
        if edge is None:
            return None
        return next((e for e in self.endings if self.prompt(edge, e) == prompt), None)

    def prompt(self, edge: Edge, ending: Ending = UNSAID) -> str:
        """The words for a picture: the core, and whatever the ending says about it."""
        thing = self.things[edge.thing]
        word = self.sizes[ending.size].word
        place = self.positions[ending.position].phrase
        # The size words all start with a consonant, so they always take "a".
        noun = f"a {word} {thing.name}" if word else f"{thing.article} {thing.name}"
        joint = f" {place}, " if place else " "
        return noun + joint + self.backgrounds[edge.background].phrase

    def user_prompt(self, edge_index: int, size: int = 0, position: int = 0) -> str:
        """The user's prompt for ``edges[edge_index]`` with this size and position (indices)."""
        return self.prompt(self.edges[edge_index], Ending(size, position))


def load_catalogue(path: Path | str) -> Catalogue:
    """Read a catalogue from its file, or from the model folder that holds ``catalogue.json``."""
    path = Path(path)
    if path.is_dir():
        path = path / "catalogue.json"
    data: dict[str, list[dict[str, Any]]] = json.loads(path.read_text(encoding="utf-8"))
    return Catalogue(
        things=tuple(Thing(**entry) for entry in data["objects"]),
        backgrounds=tuple(_background(entry) for entry in data["colours"] + data["scenes"]),
        sizes=tuple(Size(**entry) for entry in data["sizes"]),
        positions=tuple(Position(**entry) for entry in data["positions"]),
    )


def _background(entry: dict[str, Any]) -> Background:
    rgb = entry.get("rgb")
    colour = (int(rgb[0]), int(rgb[1]), int(rgb[2])) if rgb else None
    return Background(name=entry["name"], phrase=entry["phrase"], rgb=colour)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
