"""What differs between two prompts."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from midstep.reuse.likeness import LIKENESS, UNKNOWN, WORDS_ENDS, Grammar, Parts, kinds, words_kind
from midstep.scenario_file import load
from midstep.workload.catalogue import Catalogue, Ending
from midstep.workload.requests import find_catalogue

CATALOGUE: Catalogue = find_catalogue(load("laptop"))
GRAMMAR = Grammar(CATALOGUE)


def test_every_prompt_of_the_catalogue_is_read() -> None:
    for edge in CATALOGUE.edges:
        for number, ending in enumerate(CATALOGUE.endings):
            parts = GRAMMAR.parts(CATALOGUE.prompt(edge, ending))
            assert parts == (edge.thing, edge.background, number)


def test_a_phrase_that_ends_another_is_not_taken_for_it() -> None:
    beach = CATALOGUE.backgrounds[10]
    longer = dataclasses.replace(beach, name="pier", phrase=f"by the sea, {beach.phrase}")
    catalogue = dataclasses.replace(CATALOGUE, backgrounds=(beach, longer))
    edge = catalogue.edges[0]
    grammar = Grammar(catalogue)
    for ending in (Ending(0, 0), Ending(1, 1)):
        for background in (0, 1):
            prompt = catalogue.prompt(dataclasses.replace(edge, background=background), ending)
            expected = edge.thing, background, catalogue.endings.index(ending)
            assert grammar.parts(prompt) == expected


@pytest.mark.parametrize(
    "prompt", ["", "a panda", "on a beach", "a panda on a beach, in oil", "two pandas on a beach"]
)
def test_other_words_are_unknown(prompt: str) -> None:
    assert GRAMMAR.parts(prompt) == UNKNOWN
    assert Grammar(None).parts("a panda on a beach") == UNKNOWN


@pytest.mark.parametrize(
    ("prompt", "other", "kind"),
    [
        ("a panda on a beach", "a panda in the snow", "same object"),
        ("a panda on a beach", "a fox on a beach", "same scene"),
        ("a panda on a beach", "an owl in a room", "unrelated"),
        ("a small panda on a beach", "an owl in a room", "unrelated"),
        ("a small panda on a beach", "a small owl in a room", "same placement"),
        ("a panda on the left, on a beach", "an owl on the left, in a room", "same placement"),
        ("a panda on the left, on a beach", "a small owl on the left, in a room", "words .8"),
        ("a panda on the left, on a beach", "a panda on the right, on a beach", "words .8"),
        ("a panda on a beach", "a small panda on a beach", "words .8"),
        ("a panda on the left, on a beach", "a panda on a beach", "same object"),
        ("a small panda on a beach", "a small panda in the snow", "same object"),
        ("a panda on a beach", "a panda on a beach in oil", "words .8"),
        ("a castle", "a panda on a beach", "words .8"),
        ("a castle", "a tower", "words .8"),
    ],
)
def test_what_differs(prompt: str, other: str, kind: str) -> None:
    assert GRAMMAR.kind(prompt, other, 0.85) == kind


def test_free_text_goes_by_bins_whose_lower_ends_are_in_them() -> None:
    for end, kind in zip(WORDS_ENDS, LIKENESS[4:], strict=True):
        assert words_kind(end) == kind
        if end:
            assert words_kind(end - 1e-4) == LIKENESS[LIKENESS.index(kind) + 1]
    assert words_kind(-1.0) == LIKENESS[-1]


def test_many_at_once_are_as_each_alone() -> None:
    random = np.random.default_rng(3)
    count = 300
    others = np.stack(
        [random.integers(-1, high, count) for high in (4, 3, 3)], axis=1, dtype=np.int32
    )
    others[others[:, 0] < 0] = -1
    similarity = random.uniform(-1, 1, count).astype(np.float32)
    for parts in (Parts(1, 1, 0), Parts(1, 1, 2), UNKNOWN):
        number = kinds(parts, others, similarity)
        for row in range(count):
            alone = kinds(parts, others[row : row + 1], similarity[row : row + 1])
            assert number[row] == alone[0]
