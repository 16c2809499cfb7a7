"""Which output serves each request of a stream, and what the cache holds meanwhile."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge_node.similar import AnyOutput, Ramp, SimilarRule
from midstep.diffusion.pipelines import MODELS
from midstep.reuse.embedding import WordsEmbedder
from midstep.wire.messages import Quality
from midstep.workload.catalogue import Ending, load_catalogue
from midstep.workload.user_request import UserRequest
from orchestrator.evaluation.reuse_curve.keepers import Frequent, Keeper, Recent
from orchestrator.evaluation.reuse_curve.replay import Served, Setting, World, replay
from orchestrator.evaluation.reuse_curve.shelf import Layout, Shelf
from orchestrator.evaluation.reuse_curve.stream import Stream

STEPS = 20
CATALOGUE = load_catalogue(MODELS / "midstep-emoji")
CORES = CATALOGUE.edge_prompts
NINTH = Layout((9,))
WISH = Quality(metric="ssim", floor=0.9, share=0.9)


def world(numbers: list[int]) -> World:
    """Requests for these core prompts, with an ending each."""
    requests = tuple(
        UserRequest(CATALOGUE.prompt(CATALOGUE.edges[n], Ending(1, 0)), CORES[n]) for n in numbers
    )
    stream = Stream(name="test", requests=requests, warm_up=0, seed=1, catalogue=CATALOGUE)
    return World(stream, WordsEmbedder())


def play(
    numbers: list[int],
    rule: SimilarRule | None,
    keeper: Keeper,
    layout: Layout = NINTH,
    limit: int = 9,
    capacity: int = 8,
) -> tuple[list[Served], Shelf]:
    setting = Setting(rule=rule, quality=WISH, limit=lambda _: limit)
    of = world(numbers)
    shelf = of.shelf(capacity, layout, keeper)
    return replay(of, setting, shelf), shelf


def test_without_a_rule_only_a_prompts_own_output_serves() -> None:
    rows, _ = play([0, 1, 0, 1], None, Recent())
    assert [(row.donor, row.step) for row in rows] == [
        (CORES[0], 0),
        (CORES[1], 0),
        (CORES[0], 9),
        (CORES[1], 9),
    ]


def test_any_output_serves_where_there_is_no_own_and_is_no_original() -> None:
    """The second prompt is served by the first one's output at its step, and so leaves none."""
    rows, shelf = play([0, 1, 1], AnyOutput(STEPS, step=6), Recent(), Layout((6,)))
    assert [(row.donor, row.step) for row in rows[1:]] == [(CORES[0], 6)] * 2
    assert len(shelf) == 1


def test_no_output_serves_past_the_requests_own_limit() -> None:
    rows, _ = play([0, 1], AnyOutput(STEPS, step=12), Recent(), Layout((4, 12)), limit=9)
    assert [row.step for row in rows] == [0, 4]


def test_an_own_output_wins_over_another_that_is_no_further() -> None:
    rows, _ = play([0, 1, 1, 1], AnyOutput(STEPS, step=9), Frequent())
    assert [row.donor for row in rows] == [CORES[0], CORES[0], CORES[1], CORES[1]]


def test_what_is_asked_for_again_is_computed_and_kept_whatever_could_serve() -> None:
    """`frequent`: the first request is served by another's output, the second makes an original."""
    rows, _ = play([0, 1, 1, 1], AnyOutput(STEPS, step=6), Frequent(), Layout((6, 9)))
    assert [row.step for row in rows] == [0, 6, 0, 9]


def test_the_common_step_is_kept_of_one_prompt() -> None:
    rows, shelf = play([0, 1, 1], AnyOutput(STEPS, step=4), Frequent(), Layout((9,), (4,)))
    assert (rows[1].donor, rows[1].step) == (CORES[0], 4)
    assert sorted(shelf.neighbours(CORES[0]).names) == sorted(
        [(CORES[0], 4), (CORES[0], 9), (CORES[1], 9)]
    )


def test_a_rule_of_the_nearest_looks_no_further() -> None:
    """The likest prompt holds no step that the rule allows, another one does."""
    of = world([0])
    cores = sorted(CORES[1:40], key=lambda core: -similarity(CORES[0], core))
    of = World(
        replace(of.stream, requests=tuple(UserRequest(c, c) for c in (CORES[0], *cores))),
        WordsEmbedder(),
    )
    shelf = of.shelf(8, Layout((4, 12)), Recent())
    shelf.keep(cores[-1], 4)
    everybody = Ramp(STEPS, threshold=-0.9, least=25)  # step 10 or so for whatever is held
    first = Setting(rule=everybody, quality=WISH, limit=lambda _: 19)
    assert replay(of, first, shelf, 1)[0].donor == cores[-1]
    shelf = of.shelf(8, Layout((12,)), Recent())
    shelf.keep(cores[0], 12)
    shelf.layout = Layout((4,))
    shelf.keep(cores[-1], 4)
    assert replay(of, first, shelf, 1)[0].donor == CORES[0]


def similarity(prompt: str, other: str) -> float:
    embed = WordsEmbedder().embed
    return float(embed(prompt) @ embed(other))


@pytest.mark.parametrize("keeper", [Frequent, Recent])
def test_a_cache_is_never_over_its_capacity_and_the_index_has_what_is_held(
    keeper: type[Keeper],
) -> None:
    rng = np.random.default_rng(3)
    numbers = (rng.zipf(1.3, 400) % 60).tolist()
    of = world(numbers)
    shelf = of.shelf(11, Layout((5, 9), (3,)), keeper())
    for request in of.stream.requests:
        core = request.edge_prompt
        if shelf.wants(core) or rng.random() < 0.5:
            shelf.keep(core, 9)
            shelf.use(core)
        shelf.request(core)
        names = shelf.neighbours(core).names
        assert len(names) <= 11
        assert shelf.exact(core, 9) == max((step for key, step in names if key == core), default=0)
    assert len(shelf) >= 9  # it was full, or nearly
