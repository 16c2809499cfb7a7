"""The shipped table of reuse is the shipped model's, and docs/reuse.md says what is in it."""

from __future__ import annotations

import pytest

from deploy import reuse_page
from midstep.diffusion import pipelines
from midstep.reuse.likeness import SAME_OBJECT, SAME_SCENE, UNRELATED
from midstep.reuse.limits import TABLE, class_limit, open_limits
from midstep.reuse.table import ReuseTable
from midstep.scenario_file import load, shipped

SHIPPED = ReuseTable.load(pipelines.MODELS / reuse_page.MODEL / TABLE)


def test_the_page_is_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["reuse_page", "--check"])
    assert reuse_page.main() == 0, "run python -m deploy.reuse_page"


def test_the_table_is_of_this_revision() -> None:
    """Who trains the model again has to measure again."""
    assert SHIPPED.revision == pipelines.revision(pipelines.locate(reuse_page.MODEL))


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_scenario_reads_measured_limits(name: str) -> None:
    limits = open_limits(load(name, ["reuse.share=0.95", "reuse.tolerance=null"]))
    assert limits.notice is None
    assert {*limits.by_class} == {"size", "position", "size and position", "variation"}
    assert all(1 < limit < limits.steps for limit in limits.by_class.values())


def test_pictures_without_reuse_are_right() -> None:
    """Else a table of those that are would say little of the model."""
    for kind in ("size", "position", "size and position"):
        cell = SHIPPED.cell(kind, "fidelity", 0)
        assert cell is not None and cell.mean >= 0.98


@pytest.mark.parametrize("kind", [SAME_OBJECT, SAME_SCENE, UNRELATED])
def test_other_prompts_outputs_have_limits_at_a_usual_share(kind: str) -> None:
    """Of 300 pairs or more; the rule `calibrated` serves nobody by a class that is not measured."""
    assert SHIPPED.pairs(kind, "fidelity") >= 300 and SHIPPED.pairs(kind, "ssim") >= 300
    for quality in (("fidelity", 1.0), ("ssim", 0.9)):
        limit = class_limit(SHIPPED, kind, quality, 0.95)
        assert limit is not None and 1 <= limit < SHIPPED.steps
