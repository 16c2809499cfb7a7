from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from midstep.errors import ScenarioError
from midstep.scenario import Scenario
from midstep.scenario_file import parse
from midstep.workload.requests import (
    CatalogueWorkload,
    Drift,
    StreamWorkload,
    find_catalogue,
    open_workload,
    read_prompts,
)
from tests import paced


def test_wishes_do_not_depend_on_who_asks_first(scenario: Scenario) -> None:
    one = open_workload(scenario)
    other = open_workload(scenario)
    asked = [(user, index, index // 2) for index in range(10) for user in range(4)]
    wishes = {key: one.user_request(*key) for key in asked}
    assert {key: other.user_request(*key) for key in reversed(asked)} == wishes


def test_popularity_is_zipf(scenario: Scenario) -> None:
    settings = scenario.workload.model_copy(
        update={"drift_swaps_per_slot": 0.0, "catalogue_size": 50}
    )
    workload = CatalogueWorkload(find_catalogue(scenario), settings, 7)
    counts = Counter(
        w.edge_prompt for i in range(6000) if (w := workload.user_request(0, i, 0)) is not None
    )
    ranks = [n for _, n in counts.most_common()]
    weight = np.arange(1, 51) ** -0.8
    assert ranks[0] / 6000 == pytest.approx(weight[0] / weight.sum(), rel=0.15)
    assert ranks[0] / ranks[9] == pytest.approx(10**0.8, rel=0.3)


def test_users_say_more_than_the_core_and_some_say_just_it(scenario: Scenario) -> None:
    workload = open_workload(scenario)
    wishes = [w for i in range(800) if (w := workload.user_request(1, i, 0)) is not None]
    plain = sum(w.prompt == w.edge_prompt for w in wishes) / len(wishes)
    assert plain == pytest.approx(0.25, abs=0.06)
    assert len({w.prompt for w in wishes}) > 3 * len({w.edge_prompt for w in wishes})


def test_seeds_of_ones_own_come_in_their_shares(scenario: Scenario) -> None:
    settings = scenario.workload.model_copy(update={"variation_share": 0.5, "private_share": 0.1})
    workload = CatalogueWorkload(find_catalogue(scenario), settings, 7)
    wishes = [w for i in range(800) if (w := workload.user_request(0, i, 0)) is not None]
    assert sum(w.variation_seed is not None for w in wishes) / 800 == pytest.approx(0.5, abs=0.07)
    assert sum(w.private_seed is not None for w in wishes) / 800 == pytest.approx(0.1, abs=0.05)


def test_drift_swaps_ranks_at_its_rate_and_can_look_back() -> None:
    drift = Drift(100, 1.5, seed=3)
    late = drift.order(200).copy()
    assert sorted(late) == list(range(100)) and not np.array_equal(late, np.arange(100))
    assert np.array_equal(drift.order(0), np.arange(100))
    assert np.array_equal(drift.order(200), late)


def test_a_stream_is_asked_for_in_its_order() -> None:
    stream = StreamWorkload(["a", "b", "c", "d", "e"], users=2)
    asked = [
        w.prompt
        for index in range(3)
        for user in range(2)
        if (w := stream.user_request(user, index, 0)) is not None
    ]
    assert asked == ["a", "b", "c", "d", "e"]
    assert stream.user_request(1, 2, 0) is None


def test_a_prompt_file_that_cannot_serve_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name, told in [
        ("empty", "holds no prompt"),
        ("binary", "cannot be read"),
        ("missing", "cannot be read"),
    ]:
        with pytest.raises(ScenarioError, match=told):
            read_prompts(str(tmp_path / name))


def test_a_catalogue_too_small_is_told() -> None:
    with pytest.raises(ScenarioError, match="catalogue_size: 99999 is above"):
        open_workload(parse(paced.tree(workload={"catalogue_size": 99999})))
