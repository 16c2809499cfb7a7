"""The oracle serves from the furthest output that is good enough, and draws no more than that
takes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from edge_node.similar import AnyOutput, Wanted
from midstep.reuse.index import LikenessIndex, Neighbours
from midstep.reuse.likeness import UNKNOWN
from midstep.wire.messages import Quality
from midstep.workload.user_request import UserRequest
from orchestrator.evaluation.reuse_curve.oracle import Seeking, seek
from orchestrator.evaluation.reuse_curve.pair_journal import PairJournal, Place

SHAPE = (4, 4, 3)
OWN = "a red cat"
# the dog's output is good up to step 4, the cow's, which is less alike, up to step 8
LAST = {"a dog": 4, "a cow": 8}


def near() -> Neighbours:
    index = LikenessIndex(2)
    for core, angle in (("a dog", 0.1), ("a cow", 0.9)):
        for step in (4, 8):
            index.add(core, step, np.array([np.cos(angle), np.sin(angle)], np.float32), UNKNOWN)
    return index.neighbours(np.array([1, 0], np.float32), UNKNOWN)


def test_it_finds_the_furthest_good_one_and_draws_no_other_after_it(tmp_path: Path) -> None:
    journal = PairJournal(tmp_path, {"model": "a"}, SHAPE)
    rule = Seeking(AnyOutput(10, step=2), journal, {7})
    wish = Quality(metric="ssim", floor=0.9, share=0.9)
    wanted = Wanted(prompt="a cat", prompt_key="a cat", parts=UNKNOWN, limit=9, quality=wish)
    drawn: list[Place] = []
    limits = np.zeros(0)

    def play() -> None:
        nonlocal limits
        rule.begin(7, UserRequest(OWN, "a cat"))
        limits = rule.limits(wanted, near())

    def measure(places: Iterable[Place]) -> bool:
        for place in places:
            drawn.append(place)
            value = {"ssim": 0.95 if place.step <= LAST[place.donor] else 0.5}
            blank = np.zeros(SHAPE, np.uint8)
            journal.add({place._replace(step=0): ({}, blank), place: (value, blank)})
        return True

    assert seek(play, rule, measure)
    assert drawn == [Place("a dog", OWN, 8), Place("a cow", OWN, 8)]
    assert dict(zip(near().names, limits.tolist(), strict=True))["a cow", 8] == 8
    assert np.count_nonzero(limits) == 1
    rule.begin(8, UserRequest(OWN, "a cat"))  # is none of the chosen
    assert (rule.limits(wanted, near()) == 2).all()
