"""The prompt grammar: what is said, what is left unsaid, and in which order."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from midstep.workload.catalogue import Catalogue, Edge, Ending, load_catalogue

MODEL = Path(__file__).parents[3] / "midstep" / "models" / "midstep-emoji"


@pytest.fixture(scope="module")
def words() -> Catalogue:
    return load_catalogue(MODEL)


def edge(words: Catalogue, thing: str, background: str) -> int:
    """Index of an edge by its names."""
    names = [
        (words.things[e.thing].name, words.backgrounds[e.background].name) for e in words.edges
    ]
    return names.index((thing, background))


def test_edge_prompt_is_the_core(words: Catalogue) -> None:
    assert words.edge_prompts[edge(words, "panda", "beach")] == "a panda on a beach"
    assert words.edge_prompts[edge(words, "apple", "red")] == "an apple on a red background"
    assert words.edge_prompts[edge(words, "owl", "orange")] == "an owl on an orange background"


def test_user_prompt_says_more(words: Catalogue) -> None:
    sizes = [size.name for size in words.sizes]
    places = [position.name for position in words.positions]

    def prompt(thing: str, background: str, size: str, place: str) -> str:
        index = edge(words, thing, background)
        return words.user_prompt(index, sizes.index(size), places.index(place))

    assert prompt("panda", "beach", "small", "left") == "a small panda on the left, on a beach"
    assert prompt("apple", "red", "large", "top") == "a large apple at the top, on a red background"
    assert prompt("apple", "snow", "normal", "right") == "an apple on the right, in the snow"
    assert prompt("owl", "night", "large", "centre") == "a large owl under a night sky"


def test_nothing_said_is_the_edge_prompt(words: Catalogue) -> None:
    assert words.endings[0] == Ending(0, 0)
    for index, core in enumerate(words.edge_prompts):
        assert words.user_prompt(index) == core


def test_every_prompt_is_different(words: Catalogue) -> None:
    prompts = {words.prompt(e, ending) for e in words.edges for ending in words.endings}
    assert len(prompts) == len(words.edges) * len(words.endings) == 768 * 15


def test_order_is_fixed_and_mixed(words: Catalogue) -> None:
    assert words.edges == load_catalogue(MODEL / "catalogue.json").edges
    assert len(set(words.edges)) == len(words.things) * len(words.backgrounds)
    top = words.edges[:64]
    assert len({e.thing for e in top}) >= 30
    assert len({e.background for e in top}) >= 14


def test_order_does_not_depend_on_the_files_order(words: Catalogue) -> None:
    turned = Catalogue(words.things[::-1], words.backgrounds, words.sizes, words.positions)
    assert turned.edge_prompts == words.edge_prompts


def test_held_out_pairs_are_spread(words: Catalogue) -> None:
    assert len(words.held_out) == 200
    things = Counter(e.thing for e in words.held_out)
    backgrounds = Counter(e.background for e in words.held_out)
    assert len(things) == len(words.things) and max(things.values()) <= 5
    assert len(backgrounds) == len(words.backgrounds) and max(backgrounds.values()) <= 13


def test_held_out_pairs_are_edges(words: Catalogue) -> None:
    assert words.held_out <= set(words.edges)
    assert Edge(0, 0) in words.held_out
