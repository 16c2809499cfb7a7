"""Donors of the calibration share with a user's prompt what their class says, and nothing else."""

from __future__ import annotations

from collections import Counter

import pytest

from midstep.errors import OptionError
from midstep.reuse.likeness import SAME_OBJECT, SAME_PLACEMENT, SAME_SCENE, UNRELATED
from midstep.scenario_file import load, shipped
from midstep.workload.catalogue import UNSAID, Catalogue, Edge, Ending
from midstep.workload.requests import find_catalogue
from orchestrator.doctor.calibrate_reuse.like_pairs import CatalogueLikePairs
from orchestrator.doctor.calibrate_reuse.pairs import EVALUATED, CataloguePairs, Pair

CATALOGUE = find_catalogue(load("laptop"))
SAID = {
    CATALOGUE.prompt(edge, ending): (edge, ending)
    for edge in CATALOGUE.edges
    for ending in CATALOGUE.endings
}
PAIRS = CatalogueLikePairs(CATALOGUE, judged=True, plain_share=0.25)
ALL = [PAIRS.pair(kind, number) for kind in PAIRS.kinds for number in range(600)]


def parts(pair: Pair) -> tuple[Edge, Ending, Edge, Ending]:
    """Edge and ending of the user's prompt, and of the donor's."""
    return (*SAID[pair.prompt], *SAID[pair.core])


def test_a_pair_shares_what_its_class_says() -> None:
    for pair in ALL:
        own, ending, donor, said = parts(pair)
        shared = own.thing == donor.thing, own.background == donor.background
        assert shared == (pair.kind == SAME_OBJECT, pair.kind == SAME_SCENE)
        assert said == (ending if pair.kind == SAME_PLACEMENT else UNSAID)
        assert ending != UNSAID or pair.kind != SAME_PLACEMENT
        assert pair.spec is not None and (pair.spec.edge, pair.spec.ending) == (own, ending)


def test_endings_are_those_of_a_workload() -> None:
    for kind in (SAME_OBJECT, SAME_SCENE, UNRELATED):
        count = Counter(parts(pair)[1] for pair in ALL if pair.kind == kind)
        assert 0.19 < count.pop(UNSAID) / 600 < 0.31
        assert len(count) == len(CATALOGUE.endings) - 1 and max(count.values()) < 60


def test_donors_are_many() -> None:
    """A few of them would make the cells those of their own quirks."""
    for kind in PAIRS.kinds:
        donors = Counter(parts(pair)[2] for pair in ALL if pair.kind == kind)
        assert len(donors) > 300 and max(donors.values()) < 12


@pytest.mark.parametrize("name", shipped())
def test_no_shipped_scenario_asks_for_what_was_calibrated(name: str) -> None:
    asked = {*CATALOGUE.edges[: load(name).workload.catalogue_size]}
    for pair in ALL:
        own, _, donor, _ = parts(pair)
        assert own not in asked and donor not in asked


def test_its_noise_is_of_no_other_calibration() -> None:
    of_endings = CataloguePairs(CATALOGUE, judged=True)
    others = {of_endings.pair("size", number).seed for number in range(600)}
    own = {pair.seed for pair in ALL}
    assert len(own) == 600 and not own & others


def test_classes_share_users_and_noise() -> None:
    for number in range(50):
        same = [PAIRS.pair(kind, number) for kind in PAIRS.kinds if kind != SAME_PLACEMENT]
        assert len({(pair.prompt, pair.seed) for pair in same}) == 1


def test_a_small_catalogue_has_no_donors() -> None:
    few = Catalogue(
        CATALOGUE.things[:3], CATALOGUE.backgrounds, CATALOGUE.sizes, CATALOGUE.positions
    )
    assert len(few.edges) < EVALUATED
    with pytest.raises(OptionError, match="share nothing"):
        CatalogueLikePairs(few, judged=True, plain_share=0.25)
