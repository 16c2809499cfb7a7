from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midstep.errors import ScenarioError
from midstep.scenario import Scenario, StartPictures
from midstep.scenario_file import parse
from midstep.workload.arrivals.law import pause_s
from midstep.workload.catalogue import Catalogue
from midstep.workload.lines import read_lines
from midstep.workload.requests import (
    CatalogueWorkload,
    find_catalogue,
    open_workload,
)
from midstep.workload.start_choice import WithStarts
from midstep.workload.trace import TraceWorkload
from midstep.workload.trace_file import read_trace
from tests import paced


def test_requests_do_not_depend_on_who_asks_first(scenario: Scenario) -> None:
    one = open_workload(scenario)
    other = open_workload(scenario)
    places = [(user, index, index // 2) for index in range(10) for user in range(4)]
    requests = {key: one.user_request(*key) for key in places}
    assert {key: other.user_request(*key) for key in reversed(places)} == requests


def test_popularity_is_zipf(scenario: Scenario) -> None:
    changed = scenario.workload.model_copy(
        update={"drift_swaps_per_slot": 0.0, "catalogue_size": 50}
    )
    workload = CatalogueWorkload(find_catalogue(scenario), changed, 7)
    counts = Counter(
        r.edge_prompt for i in range(6000) if (r := workload.user_request(0, i, 0)) is not None
    )
    ranks = [n for _, n in counts.most_common()]
    weight = np.arange(1, 51) ** -0.8
    assert ranks[0] / 6000 == pytest.approx(weight[0] / weight.sum(), rel=0.15)
    assert ranks[0] / ranks[9] == pytest.approx(10**0.8, rel=0.3)


def test_users_say_more_than_the_core_and_some_say_just_it(scenario: Scenario) -> None:
    workload = open_workload(scenario)
    requests = [r for i in range(800) if (r := workload.user_request(1, i, 0)) is not None]
    plain = sum(r.prompt == r.edge_prompt for r in requests) / len(requests)
    assert plain == pytest.approx(0.25, abs=0.06)
    assert len({r.prompt for r in requests}) > 3 * len({r.edge_prompt for r in requests})


def test_users_of_a_catalogue_ask_for_whole_prompts_under_whole(scenario: Scenario) -> None:
    whole = scenario.workload.model_copy(update={"core": "whole"})
    catalogue = find_catalogue(scenario)
    workload = CatalogueWorkload(catalogue, whole, 7)
    usual = CatalogueWorkload(catalogue, scenario.workload, 7)
    for index in range(20):
        one = workload.user_request(1, index, 0)
        core = usual.user_request(1, index, 0)
        assert (one.prompt, one.core) == (core.prompt, core.edge_prompt)
        assert one.edge_prompt == one.prompt
    numbers = {prompt: number for number, prompt in enumerate(catalogue.edge_prompts)}
    starts = WithStarts(workload, StartPictures(share=1.0), 7, numbers)
    begun = [starts.user_request(1, index, 0) for index in range(20)]
    assert [one and one.start and one.start.picture for one in begun] == [
        numbers[usual.user_request(1, index, 0).edge_prompt] for index in range(20)
    ]


def test_seeds_of_ones_own_come_in_their_shares(scenario: Scenario) -> None:
    changed = scenario.workload.model_copy(update={"variation_share": 0.5, "private_share": 0.1})
    workload = CatalogueWorkload(find_catalogue(scenario), changed, 7)
    requests = [r for i in range(800) if (r := workload.user_request(0, i, 0)) is not None]
    assert sum(r.variation_seed is not None for r in requests) / 800 == pytest.approx(0.5, abs=0.07)
    assert sum(r.private_seed is not None for r in requests) / 800 == pytest.approx(0.1, abs=0.05)


def test_a_list_is_asked_for_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "prompts"
    path.write_text("a\nb\nc\nd\ne\n")
    stream = TraceWorkload(read_trace(str(path), "workload.prompts").by_user(2))
    prompts = [
        r.prompt
        for index in range(3)
        for user in range(2)
        if (r := stream.user_request(user, index, 0)) is not None
    ]
    assert prompts == ["a", "b", "c", "d", "e"]
    assert stream.user_request(1, 2, 0) is None


def test_a_prompt_file_that_cannot_serve_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name, message in [
        ("empty", "holds no prompt"),
        ("binary", "is no UTF-8 text"),
        ("missing", "there is no such file"),
    ]:
        with pytest.raises(ScenarioError, match=message):
            read_trace(str(tmp_path / name), "workload.prompts")


def test_prompts_end_at_line_ends_alone(tmp_path: Path) -> None:
    """A byte order mark became part of the first prompt, U+2028 cut one in two."""
    path = tmp_path / "prompts"
    path.write_bytes("\ufeffa lion\r\n\na\u2028cat\x0c\x85owl\n".encode())
    prompts = [one.request.prompt for one in read_trace(str(path), "workload.prompts").requests]
    assert prompts == ["a lion", "", "a\u2028cat\x0c\x85owl"]


@settings(deadline=None)  # a disk may be slow
@given(lines=st.lists(st.text(st.characters(exclude_characters="\n\ufeff", codec="utf-8"))))
def test_what_is_written_line_by_line_is_read_line_by_line(
    lines: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("lines") / "prompts"
    path.write_bytes("".join(f"{line}\r\n" for line in lines).encode())
    assert read_lines(path) == lines


def test_a_catalogue_without_endings_asks_for_its_edge_prompts(scenario: Scenario) -> None:
    """With one size and one position there is no ending to choose."""
    full = find_catalogue(scenario)
    bare = Catalogue(full.things, full.backgrounds, full.sizes[:1], full.positions[:1])
    workload = CatalogueWorkload(bare, scenario.workload, 7)
    requests = [workload.user_request(0, index, 0) for index in range(50)]
    assert all(request.prompt == request.edge_prompt for request in requests)
    assert len({request.prompt for request in requests}) > 5


def test_pauses_are_exponential_around_their_mean() -> None:
    pauses = [pause_s(7, user, index, 2.0) for user in range(40) for index in range(50)]
    assert np.mean(pauses) == pytest.approx(2.0, rel=0.06)
    assert np.median(pauses) == pytest.approx(2.0 * np.log(2), rel=0.08)
    assert pause_s(7, 0, 0, 0.0) == 0


def test_a_catalogue_too_small_is_told() -> None:
    with pytest.raises(ScenarioError, match="catalogue_size: 99999 is above"):
        open_workload(parse(paced.tree(workload={"catalogue_size": 99999})))
