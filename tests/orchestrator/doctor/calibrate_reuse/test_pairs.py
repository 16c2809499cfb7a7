"""Prompts and seeds of the calibration are in no evaluation."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from midstep.errors import OptionError
from midstep.reuse.limits import reuse_class
from midstep.scenario_file import load, shipped
from midstep.wire.identity import shared_seed
from midstep.workload.catalogue import Catalogue
from midstep.workload.requests import find_catalogue
from orchestrator.doctor.calibrate_reuse.cells import MOST
from orchestrator.doctor.calibrate_reuse.pairs import CataloguePairs, own_pairs, read_listed

CATALOGUE = find_catalogue(load("laptop"))
PAIRS = CataloguePairs(CATALOGUE, judged=True)
ALL = [PAIRS.pair(kind, number) for kind in PAIRS.kinds for number in range(MOST)]


@pytest.mark.parametrize("name", shipped())
def test_no_shipped_scenario_asks_for_what_was_calibrated(name: str) -> None:
    scenario = load(name)
    asked = CATALOGUE.edge_prompts[: scenario.workload.catalogue_size]
    assert not {pair.core for pair in ALL} & {*asked}
    assert not {pair.seed for pair in ALL} & {shared_seed(p, scenario.seed) for p in asked}


def test_every_noise_is_another() -> None:
    of_one_class = [pair.seed for pair in ALL if pair.kind == "size"]
    varied = [pair.variation_seed for pair in ALL if pair.variation_seed is not None]
    assert len({*of_one_class, *varied}) == 2 * MOST


def test_a_pair_is_of_its_class_and_all_endings_have_their_turn() -> None:
    for pair in ALL:
        variation = pair.variation_seed is not None
        assert reuse_class(CATALOGUE, pair.prompt, pair.core, variation) == pair.kind
    for kind, endings in {
        "size": 2,
        "position": 4,
        "size and position": 8,
        "variation": 15,
    }.items():
        count = Counter(pair.spec.ending for pair in ALL if pair.kind == kind and pair.spec)
        assert len(count) == endings and max(count.values()) - min(count.values()) <= 4


def test_classes_share_their_core_outputs() -> None:
    assert len({(pair.number, pair.core, pair.seed) for pair in ALL}) == MOST


def test_a_small_catalogue_is_all_evaluated() -> None:
    few = Catalogue(
        CATALOGUE.things[:3], CATALOGUE.backgrounds, CATALOGUE.sizes, CATALOGUE.positions
    )
    with pytest.raises(OptionError, match="has 48 core prompts"):
        CataloguePairs(few, judged=True)


def test_a_list_without_a_prompt_of_ones_own_has_no_pairs(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("core,prompt\na house,a house\n")
    assert own_pairs(read_listed(str(path))) is None


def test_a_row_with_a_donor_is_no_pair_of_its_own_core(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("core,prompt,donor\na house,a red house,\na dog,a red dog,a cat\n")
    listed = read_listed(str(path))
    assert [row.donor for row in listed] == [None, "a cat"]
    pairs = own_pairs(listed)
    assert pairs is not None
    assert {pairs.pair("words", number).prompt for number in range(4)} == {"a red house"}
