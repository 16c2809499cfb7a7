"""Rules at equal loss, and the figures of a point."""

from __future__ import annotations

import pytest

from midstep.diffusion.pipelines import MODELS
from midstep.reuse.table import Cell, ReuseTable
from midstep.wire.messages import Quality
from midstep.workload.catalogue import Ending, load_catalogue
from midstep.workload.user_request import UserRequest
from orchestrator.evaluation.reuse_curve.equal_loss import frontier, saved_at
from orchestrator.evaluation.reuse_curve.expected import Expectation
from orchestrator.evaluation.reuse_curve.pair_journal import Drawn, Place
from orchestrator.evaluation.reuse_curve.points import Point
from orchestrator.evaluation.reuse_curve.replay import Served
from orchestrator.evaluation.reuse_curve.scores import Replayed, score
from orchestrator.evaluation.reuse_curve.shelf import Layout

CATALOGUE = load_catalogue(MODELS / "midstep-emoji")


def test_points_below_the_line_between_two_others_are_not_the_best() -> None:
    assert frontier([(1.0, 4.0), (2.0, 5.0), (3.0, 8.0), (4.0, 7.0)]) == [
        (0.0, 0.0),
        (1.0, 4.0),
        (3.0, 8.0),
    ]
    assert frontier([(0.0, 2.0), (0.0, 3.0)])[0] == (0.0, 3.0)


@pytest.mark.parametrize(("loss", "saved"), [(0, 0), (0.5, 2), (2, 6), (3, 8), (9, 8)])
def test_between_two_points_users_are_divided_among_them(loss: float, saved: float) -> None:
    assert saved_at([(1.0, 4.0), (3.0, 8.0)], loss) == pytest.approx(saved)


def test_loss_is_of_all_requests_and_the_share_below_the_floor_of_reused_ones() -> None:
    requests = [UserRequest("a red cat", "a cat"), UserRequest("a dog", "a dog")] * 2
    rows = [
        Served(donor="a dog", step=4, likeness="unrelated"),
        Served(donor="a dog", step=9),
        Served(donor="a cat", step=2),
        Served(donor="a dog", step=0),
    ]
    drawn = {
        Place("a dog", "a red cat", 4): Drawn({"fidelity": 0.0, "ssim": 0.8, "psnr": 20.0}, 0),
        Place("a dog", "a red cat", 0): Drawn({"fidelity": 1.0}, 1),
        Place("a cat", "a red cat", 2): Drawn({"fidelity": 1.0, "ssim": 0.96, "psnr": 40.0}, 2),
        Place("a cat", "a red cat", 0): Drawn({"fidelity": 0.0}, 3),
        Place("a dog", "a dog", 0): Drawn({"fidelity": 1.0}, 4),
    }
    wish = Quality(metric="ssim", floor=0.9, share=0.95)
    point = Point(rule="any", embedding="words", quality=wish)
    replayed = Replayed(capacity=25, point=point, layout=Layout((4, 9)), rows=rows)
    of = score(replayed, requests, drawn, range(4))
    assert (of.saved, of.exact, of.similar, of.pictures) == (15 / 4, 0.5, 0.25, 4)
    assert of.ssim_loss == pytest.approx((0.2 + 0.04) / 4)
    assert of.fidelity_loss == pytest.approx((1 - 1) / 4)  # one lost, one won
    assert of.mse == pytest.approx(255**2 * (1e-2 + 1e-4) / 4)
    assert (of.below, of.reused) == (0.5, 2)


def test_the_table_expects_a_loss_of_each_class_and_step() -> None:
    cells = [
        Cell.of(kind, step, "ssim", [1 - loss] * 3)
        for kind, losses in (("size", {1: 0.02, 3: 0.1}), ("unrelated", {2: 0.3}))
        for step, loss in losses.items()
    ]
    expectation = Expectation(_table(tuple(cells)), CATALOGUE)
    edge = CATALOGUE.edges[0]
    core = CATALOGUE.prompt(edge)
    small = UserRequest(CATALOGUE.prompt(edge, Ending(1, 0)), core)
    requests = [small, small, small, UserRequest(core, core), small]
    rows = [
        Served(donor=core, step=2),
        Served(donor=core, step=4),
        Served(donor="another", step=1, likeness="unrelated"),
        Served(donor=core, step=4),
        Served(donor=core, step=0),
    ]
    loss = expectation.loss("ssim", requests, rows)
    assert loss == pytest.approx([0.06, 0.1, 0.15, 0, 0])
    assert expectation.loss("fidelity", requests, rows) is None


def _table(cells: tuple[Cell, ...]) -> ReuseTable:
    return ReuseTable(
        model="a",
        revision="b",
        scheduler="c",
        scheduler_config="d",
        steps=6,
        guidance=1.0,
        height=64,
        width=64,
        dtype="float32",
        share=0.9,
        floors={},
        cells=cells,
    )
