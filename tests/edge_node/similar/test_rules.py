"""Each rule against its definition, and what a scenario may say."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_node.similar import (
    SIMILAR_RULES,
    AnyOutput,
    Calibrated,
    FixedThreshold,
    Nirvana,
    Oracle,
    Ramp,
    SimilarRule,
    Staircase,
    Wanted,
    open_similar,
)
from edge_node.similar.staircase import NEVER, fit_thresholds
from midstep.errors import ScenarioError
from midstep.reuse.index import Neighbours
from midstep.reuse.likeness import FIRST_OF_WORDS, LIKENESS, UNKNOWN, Parts
from midstep.reuse.table import Cell, ReuseTable
from midstep.scenario_file import parse
from midstep.wire.messages import Quality
from tests import paced
from tests.edge_node.similar.held import QUALITY, STEPS
from tests.midstep.reuse.measured import table


def neighbours(*similarity: float, step: int = 3) -> Neighbours:
    """Outputs at those cosines, the first of the first likeness and so on."""
    count = len(similarity)
    return Neighbours(
        [(f"k{number}", step) for number in range(count)],
        np.array(similarity, np.float32),
        np.arange(count, dtype=np.int32) % len(LIKENESS),
        np.full(count, step, np.int32),
    )


def request(limit: int = STEPS, quality: Quality = QUALITY) -> Wanted:
    return Wanted(prompt="a", prompt_key="own", parts=UNKNOWN, limit=limit, quality=quality)


def limits(rule: SimilarRule, *similarity: float, limit: int = STEPS) -> list[int]:
    return rule.limits(request(limit), neighbours(*similarity)).tolist()


def test_nirvanas_ladder() -> None:
    edges = (0.6, 0.66, 0.75, 0.76, 0.86, 0.9, 0.91, 0.96)
    assert limits(Nirvana(50), *edges, limit=50) == [0, 5, 5, 10, 15, 15, 20, 25]
    assert limits(Nirvana(20), *edges) == [0, 2, 2, 4, 6, 6, 8, 10]


def test_the_ramp() -> None:
    scores = (0.74, 0.75, 0.8, 0.9, 0.99, 1.0)
    # 5 + int((s - .75) / .25 * 20)
    assert limits(Ramp(50), *scores, limit=50) == [0, 5, 9, 17, 24, 25]
    assert limits(Ramp(20), *scores) == [0, 5, 6, 8, 9, 10]
    assert limits(Ramp(8), *scores) == [0, 4, 4, 4, 4, 4]  # 5 steps are more than half
    assert limits(Ramp(20, least=2), *scores) == [0, 2, 3, 6, 9, 10]
    assert limits(Ramp(100, share=0.29), 1.0, limit=100) == [29]  # 28.999... in binary


def tables(**last: int) -> ReuseTable:
    """A table in which each likeness is right up to its last step: spaces are underscores."""
    cells = []
    for kind, good in last.items():
        for step in range(1, STEPS):
            values = [1.0] * 400 if step <= good else [0.0] * 400
            cells.append(Cell.of(kind.replace("_", " "), step, "fidelity", values))
    return table(cells=tuple(cells))


def test_calibrated_goes_by_likeness_and_serves_nobody_by_what_was_not_measured() -> None:
    rule = Calibrated(STEPS, tables(same_object=7, same_scene=12, unrelated=4))
    assert limits(rule, 0, 0, 0, 0, 0) == [7, 12, 0, 4, 0]
    assert limits(rule, 0, 0, 0, 0, 0, limit=6) == [6, 6, 0, 4, 0]


def test_calibrated_reads_each_quality_for_itself() -> None:
    cells = [
        Cell.of("same scene", step, "ssim", [0.99 - 0.02 * step] * 380 + [0.5] * 20)
        for step in range(1, STEPS)
    ]
    rule = Calibrated(STEPS, table(cells=tuple(cells)))

    def last(floor: float, share: float) -> int:
        quality = Quality(metric="ssim", floor=floor, share=share)
        return int(rule.limits(request(quality=quality), neighbours(0, 0))[1])

    assert (last(0.9, 0.9), last(0.8, 0.9)) == (4, 9)
    assert last(0.9, 0.95) == 0  # 380 of 400 are .95, their interval's low end is less
    assert last(0.9, 0.9) == 4


def test_calibrated_without_pairs_of_like_prompts_serves_nobody() -> None:
    for no in (None, table()):
        rule = Calibrated(STEPS, no)
        assert limits(rule, 0, 0, 0, 0, 0) == [0, 0, 0, 0, 0]
        assert rule.last(request()) == 0


def test_bins_of_another_embedding_are_refused_in_one_line() -> None:
    measured = dataclasses.replace(tables(words_0=3), embedding="wordllama")
    rule = Calibrated(STEPS, measured)
    rule.check_embedding("wordllama")
    with pytest.raises(ScenarioError, match=r"reuse\.embedding: .* by wordllama") as error:
        rule.check_embedding("words")
    assert "\n" not in str(error.value)
    Calibrated(STEPS, tables(same_object=7)).check_embedding("words")  # of the catalogue alone


def test_the_staircase_is_the_inverse_of_its_fit() -> None:
    random = np.random.default_rng(5)
    curves = {4: (12.0, -20.0), 8: (17.0, -20.0)}  # intercept, slope of logit P(drift)
    samples = []
    for step, (intercept, slope) in curves.items():
        for score in random.uniform(0, 1, 4000):
            chance = 1 / (1 + math.exp(-(intercept + slope * score)))
            samples.append((step, float(score), bool(random.uniform() < chance)))
    samples += [(12, float(score), True) for score in random.uniform(0, 1, 50)]
    samples += [(1, float(score), False) for score in random.uniform(0, 1, 50)]
    least = fit_thresholds(samples, 0.2)
    for step, (intercept, slope) in curves.items():
        assert least[step] == pytest.approx((math.log(0.25) - intercept) / slope, abs=0.03)
    assert (least[12], least[1]) == (NEVER, -1.0)
    rule = Staircase(STEPS, fit=least)
    assert limits(rule, -1.0, 0.0, 0.7, 0.95, 1.0) == [1, 1, 4, 8, 8]


def test_the_oracle_asks_the_furthest_first_and_no_more_than_it_needs() -> None:
    asked = []

    def judge(wanted: Wanted, key: str, step: int) -> float:
        asked.append((key, step))
        return 0.95 if step <= 6 else 0.5

    quality = Quality(metric="ssim", floor=0.9, share=0.9)
    steps = (9, 6, 6, 2, 15)
    names = [(f"k{number}", step) for number, step in enumerate(steps)]
    beside = neighbours(0.1, 0.2, 0.3, 0.4, 0.5)
    beside = beside._replace(names=names, step=np.array(steps, np.int32))
    wanted = request(12, quality)
    assert Oracle(STEPS, judge=judge).limits(wanted, beside).tolist() == [0, 0, 6, 0, 0]
    assert asked == [("k0", 9), ("k2", 6)]
    assert Oracle(STEPS, judge=judge, most=1).limits(wanted, beside).tolist() == [0] * 5


@pytest.mark.parametrize(
    "rule",
    [
        AnyOutput(STEPS),
        FixedThreshold(STEPS),
        Nirvana(STEPS),
        Ramp(STEPS),
        Calibrated(STEPS, tables(same_object=7, same_scene=12, unrelated=4, words_0=3)),
    ],
)
def test_no_limit_is_above_the_requests_own_or_the_rules_last(rule: SimilarRule) -> None:
    for limit in (3, 9, 20):
        for parts in (UNKNOWN, Parts(1, 1, 0)):
            wanted = dataclasses.replace(request(limit), parts=parts)
            beside = neighbours(*[1.0] * len(LIKENESS))
            if parts == UNKNOWN:
                beside = beside._replace(kind=np.maximum(beside.kind, FIRST_OF_WORDS))
            assert rule.limits(wanted, beside).max() <= rule.last(wanted) <= limit


def opened(**reuse: Any) -> SimilarRule | None:
    tree = paced.tree(reuse=reuse)
    return open_similar(parse(tree))


def test_a_scenario_opens_its_rule() -> None:
    assert opened() is None
    rule = opened(similar="any", similar_params={"step": 7})
    assert isinstance(rule, AnyOutput)
    assert (rule.step, rule.steps) == (7, 20)
    for name in SIMILAR_RULES:
        assert SIMILAR_RULES[name].name == name


def test_calibrated_goes_by_the_scenarios_table_and_by_no_other_models(tmp_path: Path) -> None:
    path = tmp_path / "reuse.json"
    tables(same_scene=12).save(path)
    rule = opened(similar="calibrated", table=str(path))
    assert isinstance(rule, Calibrated)
    assert rule.by_kind(QUALITY).tolist() == [0, 12, *[0] * 7]
    dataclasses.replace(tables(same_scene=12), model="another").save(path)
    with pytest.raises(ScenarioError, match="another model's"):
        opened(similar="calibrated", table=str(path))
    assert isinstance(opened(similar="calibrated", table=str(path), foreign=True), Calibrated)


def test_a_staircase_reads_its_file(tmp_path: Path) -> None:
    path = tmp_path / "fit.json"
    path.write_text(json.dumps({"8": 0.9, "4": 0.6}))
    rule = opened(similar="staircase", similar_params={"fit": str(path)})
    assert isinstance(rule, Staircase)
    assert rule.thresholds == {4: 0.6, 8: 0.9}
    path.write_text(json.dumps({"8": NEVER, "4": -1}))  # as fit_thresholds makes them
    assert opened(similar="staircase", similar_params={"fit": str(path)}) is not None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[]", "it is a list"),
        ("{}", "it is empty"),
        ('{"10": 1' + "0" * 400 + "}", "step 10 has the least score a number of more than 19"),
        ('{"10": 1e999}', "step 10 has the least score inf: a cosine goes from -1 to 1"),
        ('{"10": true}', "step 10 has the least score True"),
        ('{"10": "0.5"}', "step 10 has the least score '0.5'"),
        ('{"10": 1.5}', "step 10 has the least score 1.5"),
        ('{"10": 0.5, "10": 0.6}', "it has '10' twice"),
        ('{"10": 0.5, "010": 0.6}', "'010' is no step: steps go from 1 to 20"),
        ('{"21": 0.5}', "'21' is no step: steps go from 1 to 20"),
    ],
)
def test_a_staircases_file_is_refused_in_one_line(text: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "fit.json"
    path.write_text(text)
    with pytest.raises(ScenarioError, match="no least scores by step") as error:
        opened(similar="staircase", similar_params={"fit": str(path)})
    line = str(error.value)
    assert why in line and str(path) in line and "\n" not in line


@pytest.mark.parametrize(
    ("reuse", "why"),
    [
        ({"similar": "nearest"}, "there is no rule nearest; give calibrated, any"),
        ({"similar": "any", "similar_params": {"stop": 3}}, r"stop: any has no such .* has step"),
        ({"similar": "any", "similar_params": {"step": "far"}}, "'far' is no whole number"),
        ({"similar": "any", "similar_params": {"step": 99}}, "steps go from 1 to 20"),
        ({"similar": "fixed", "similar_params": {"threshold": True}}, "True is no number"),
        ({"similar": "fixed", "similar_params": {"threshold": "0.9"}}, "'0.9' is no number"),
        ({"similar": "fixed", "similar_params": {"threshold": 90}}, "cosine goes from -1 to 1"),
        ({"similar": "ramp", "similar_params": {"threshold": 10**400}}, "is too large"),
        (
            {"similar": "fixed", "similar_params": {"threshold": math.nan}},
            r"similar_params\.threshold: nan is no number",
        ),
        (
            {"similar": "fixed", "similar_params": {"threshold": [1]}},
            r"similar_params\.threshold: a list is no number, text or truth value",
        ),
        ({"similar": "staircase"}, "staircase needs fit"),
    ],
)
def test_what_a_scenario_gets_wrong_is_one_line(reuse: dict[str, Any], why: str) -> None:
    with pytest.raises(ScenarioError, match=why) as error:
        opened(**reuse)
    assert "\n" not in str(error.value)
