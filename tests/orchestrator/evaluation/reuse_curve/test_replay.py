"""Which output serves each request of a stream, and what the cache holds meanwhile."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge_node.similar import AnyOutput, FixedThreshold, Nirvana, Ramp, SimilarRule
from midstep.diffusion.pipelines import MODELS
from midstep.reuse.embedding import Vector, WordsEmbedder
from midstep.reuse.index import LikenessIndex
from midstep.wire.messages import Quality
from midstep.workload.catalogue import Ending, load_catalogue
from midstep.workload.user_request import UserRequest
from orchestrator.evaluation.reuse_curve.keepers import Frequent, Keeper, Recent
from orchestrator.evaluation.reuse_curve.matrix import Limits, Marks
from orchestrator.evaluation.reuse_curve.replay import ByMatrix, ByRule, Served, World, replay
from orchestrator.evaluation.reuse_curve.shelf import Layout
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
) -> tuple[list[Served], LikenessIndex]:
    """As an edge would decide."""
    of = world(numbers)
    index = of.index()
    shelf = of.shelf(capacity, layout, keeper, index)
    chooser = None if rule is None else ByRule(of, rule, WISH, index)
    return replay(of.stream, shelf, lambda _: limit, chooser), index


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
    rows, index = play([0, 1, 1], AnyOutput(STEPS, step=6), Recent(), Layout((6,)))
    assert [(row.donor, row.step) for row in rows[1:]] == [(CORES[0], 6)] * 2
    assert len(index) == 1


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
    rows, index = play([0, 1, 1], AnyOutput(STEPS, step=4), Frequent(), Layout((9,), (4,)))
    assert (rows[1].donor, rows[1].step) == (CORES[0], 4)
    assert {*index.names()} == {(CORES[0], 4), (CORES[0], 9), (CORES[1], 9)}


def test_a_rule_of_the_nearest_looks_no_further() -> None:
    """The likest prompt holds no step that the rule allows, another one does."""
    cores = sorted(CORES[1:40], key=lambda core: -similarity(CORES[0], core))
    of = World(
        replace(world([0]).stream, requests=tuple(UserRequest(c, c) for c in (CORES[0], *cores))),
        WordsEmbedder(),
    )
    everybody = Ramp(STEPS, threshold=-0.9, least=10)  # step 10 for whatever is held
    index = of.index()
    marks = Marks(of.likenesses, STEPS)
    for held in (index, marks):
        held.add(cores[-1], 4, *of.about(cores[-1]))
    limits = Limits(of.likenesses, everybody, WISH)
    choosers = ByRule(of, everybody, WISH, index), ByMatrix(limits, marks, (4, 12))
    own = Served(donor=CORES[0], step=0)
    for chooser in choosers:
        assert chooser.choose(CORES[0], 19, own).donor == cores[-1]
    for held in (index, marks):
        held.add(cores[0], 12, *of.about(cores[0]))
    for chooser in choosers:
        assert chooser.choose(CORES[0], 19, own) == own


@pytest.mark.parametrize(
    "rule",
    [
        AnyOutput(STEPS, step=6),
        FixedThreshold(STEPS, threshold=0.5, step=9),
        Nirvana(STEPS),
        Ramp(STEPS, threshold=0.2),
    ],
    ids=lambda rule: rule.name,
)
@pytest.mark.parametrize("keeper", [Frequent, Recent])
def test_the_matrix_decides_as_the_edges_rule_does(rule: SimilarRule, keeper: type[Keeper]) -> None:
    numbers = (np.random.default_rng(5).zipf(1.2, 300) % 80).tolist()
    of = World(world(numbers).stream, Scattered())
    layout = Layout((4, 6, 9), (2,))
    index = of.index()
    marks = Marks(of.likenesses, STEPS)
    limits = [3 + 2 * (n % 4) for n in numbers]
    served = []
    for held, chooser in (
        (index, ByRule(of, rule, WISH, index)),
        (marks, ByMatrix(Limits(of.likenesses, rule, WISH), marks, (*layout.own, *layout.common))),
    ):
        left = iter(limits)
        shelf = of.shelf(20, layout, keeper(), held)
        served.append(replay(of.stream, shelf, lambda _, left=left: next(left), chooser))
    for one, other in zip(*served, strict=True):
        assert (one.step, one.likeness) == (other.step, other.likeness)
        assert one.similarity == pytest.approx(other.similarity, abs=1e-5)
    if keeper is Frequent:  # the other one never learns of what is served by another's
        assert len({row.donor for row in served[0]}) > 5


class Scattered:
    """An embedder of which no two cosines are equal, so that nothing is left to rounding."""

    name = "scattered"
    dimensions = 3

    def embed(self, prompt: str) -> Vector:
        vector = np.random.default_rng(CORES.index(prompt)).normal(0.4, 1, self.dimensions)
        return np.asarray(vector / np.linalg.norm(vector), np.float32)


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
    index = of.index()
    shelf = of.shelf(11, Layout((5, 9), (3,)), keeper(), index)
    for request in of.stream.requests:
        core = request.edge_prompt
        if shelf.wants(core) or rng.random() < 0.5:
            shelf.keep(core, 9)
            shelf.use(core)
        shelf.request(core)
        names = index.names()
        assert len(names) == len(shelf) <= 11
        assert shelf.exact(core, 9) == max((step for key, step in names if key == core), default=0)
    assert len(shelf) >= 9  # it was full, or nearly
