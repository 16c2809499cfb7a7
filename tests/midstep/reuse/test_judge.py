"""The forced choice knows a right picture from a wrong one; and SSIM is Wang's."""

from __future__ import annotations

import numpy as np
import pytest

from midstep.reuse.judge import Verdict, can_judge, choose, cost_of, costs, judge
from midstep.reuse.quality import ssim
from midstep.reuse.render import Picture, Spec, render
from midstep.scenario_file import load
from midstep.workload.catalogue import Catalogue, Edge, Ending
from midstep.workload.requests import find_catalogue

BACKGROUNDS = (0, 10, 15)  # a colour, two scenes


@pytest.fixture(scope="module")
def words() -> Catalogue:
    return find_catalogue(load("laptop"))


def spec_of(verdict: Verdict) -> Spec:
    return Spec(Edge(verdict.thing, verdict.background), verdict.ending)


def noisy(picture: Picture, seed: int) -> Picture:
    noise = np.random.default_rng(seed).normal(0, 20, picture.shape)
    clipped: Picture = (picture + noise).clip(0, 255).astype(np.uint8)
    return clipped


def test_it_knows_a_right_picture_from_a_moved_one_and_from_another_object(
    words: Catalogue,
) -> None:
    assert can_judge(words)
    wishes: list[Spec] = []
    drawn: list[Spec] = []
    for i, ending in enumerate(words.endings):
        edge = Edge(3 * i, BACKGROUNDS[i % len(BACKGROUNDS)])
        wish = Spec(edge, ending)
        elsewhere = Ending(ending.size, (ending.position + 1) % len(words.positions))
        others = (
            Spec(edge, elsewhere),
            Spec(edge, Ending((ending.size + 1) % len(words.sizes), ending.position)),
            Spec(Edge(3 * i + 1, edge.background), ending),
        )
        for shown in (wish, *others):
            wishes.append(wish)
            drawn.append(shown)
    pictures = np.stack([noisy(render(words, shown, 90 + i), i) for i, shown in enumerate(drawn)])
    verdicts = judge(words, pictures, wishes)
    for verdict, shown, wish in zip(verdicts, drawn, wishes, strict=True):
        if shown == wish:
            assert spec_of(verdict) == wish
        else:
            assert spec_of(verdict) != wish


def test_a_catalogue_without_artwork_cannot_be_judged(words: Catalogue) -> None:
    thing = type(words.things[0])("dodo", "a", "1f9a4")
    assert not can_judge(Catalogue((thing,), words.backgrounds, words.sizes, words.positions))


def test_ssim_is_that_of_its_formula() -> None:
    """Of two flat pictures only the luminance term is left: (2 a b + C1) / (a^2 + b^2 + C1)."""
    a, b, c1 = 100.0, 150.0, (0.01 * 255) ** 2
    first = np.full((32, 32, 3), 100, np.uint8)
    second = np.full((32, 32, 3), 150, np.uint8)
    assert ssim(first, second) == pytest.approx((2 * a * b + c1) / (a * a + b * b + c1), abs=1e-6)
    assert ssim(first, first) == 1


def test_a_choice_between_two_is_by_the_costs_that_all_are_judged_by(words: Catalogue) -> None:
    wish = Spec(Edge(3, 10), Ending(1, 2))
    other = Spec(Edge(5, 10), Ending(2, 2))
    pictures = np.stack([noisy(render(words, wish, 4), 1), noisy(render(words, other, 4), 1)])
    every = costs(words, pictures, 10)
    for picture, table, nearest in zip(pictures, every, (0, 1), strict=True):
        assert choose(words, picture, (wish, other)) == nearest
        for spec in (wish, other):
            expected = table[spec.edge.thing, words.endings.index(spec.ending)]
            assert cost_of(words, picture, spec) == pytest.approx(expected, rel=1e-4)
