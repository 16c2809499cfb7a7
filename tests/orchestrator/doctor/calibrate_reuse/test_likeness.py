"""`midstep calibrate --reuse --likeness`: other prompts' outputs, added to a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from midstep.errors import OptionError
from midstep.reuse.likeness import LIKENESS, SAME_OBJECT, SAME_PLACEMENT, SAME_SCENE, UNRELATED
from midstep.reuse.limits import KINDS, SIZE
from midstep.reuse.table import ReuseTable
from midstep.scenario_file import load
from midstep.workload.requests import find_catalogue
from orchestrator.doctor.calibrate_reuse import command as module
from orchestrator.doctor.calibrate_reuse.command import ReuseCalibration, calibrate_reuse
from orchestrator.doctor.calibrate_reuse.like_pairs import CatalogueLikePairs
from tests.midstep.reuse import measured
from tests.orchestrator.doctor.calibrate_reuse.fake import GOOD, FakeDenoiser

CLASSES = (SAME_OBJECT, SAME_SCENE, SAME_PLACEMENT, UNRELATED)


@pytest.fixture
def wish(tmp_path: Path) -> ReuseCalibration:
    settings = ["reuse.share=0.8", "reuse.metric=psnr", "reuse.floor=30"]
    return ReuseCalibration(
        scenario=load("laptop", settings), out=tmp_path / "reuse.json", likeness=True, most=40
    )


@pytest.fixture
def measure(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakeDenoiser]:
    def run(wish: ReuseCalibration, dies_after: int | None = None) -> FakeDenoiser:
        denoiser = FakeDenoiser(dies_after)
        monkeypatch.setattr(module, "open_denoiser", lambda *_: denoiser)
        if dies_after is None:
            assert calibrate_reuse(wish) == 0
        else:
            with pytest.raises(KeyboardInterrupt):
                calibrate_reuse(wish)
        return denoiser

    return run


def test_every_class_gets_its_limit_and_the_held_cells_stay(
    wish: ReuseCalibration,
    measure: Callable[..., FakeDenoiser],
    capsys: pytest.CaptureFixture[str],
) -> None:
    held = measured.table(**asdict(FakeDenoiser().identity), cells=measured.table().cells[:5])
    held.save(wish.out)
    denoiser = measure(wish)
    table = ReuseTable.load(wish.out)
    assert table.cells[:5] == held.cells and table.share == held.share
    assert table.kinds == (SIZE, *CLASSES)
    for kind in CLASSES:
        assert table.limit(kind, "psnr", 30, 0.8) == GOOD
        assert table.pairs(kind, "ssim") == 16
    pairs = CatalogueLikePairs(find_catalogue(wish.scenario), False, 0.25)
    own = {pairs.pair(kind, number).prompt for kind in CLASSES for number in range(40)}
    assert {prompt for prompt, _, _ in denoiser.drawn} <= own
    assert f"| {SAME_SCENE} | {GOOD} / - / - |" in capsys.readouterr().out
    measure(wish)  # from its journal, and in place of the cells before
    assert ReuseTable.load(wish.out) == table


def test_what_was_stopped_goes_on(
    wish: ReuseCalibration, measure: Callable[..., FakeDenoiser]
) -> None:
    whole = replace(wish, out=wish.out.with_name("whole.json"))
    uninterrupted = measure(whole)
    stopped = measure(wish, 90)
    again = measure(wish)
    assert wish.out.read_text() == whole.out.read_text()
    assert again.drawn.total() < uninterrupted.drawn.total()
    assert {*again.drawn} | {*stopped.drawn} == {*uninterrupted.drawn}


def test_a_table_of_another_pipeline_is_not_added_to(
    wish: ReuseCalibration, measure: Callable[..., FakeDenoiser]
) -> None:
    measured.table().save(wish.out)
    before = wish.out.read_bytes()
    with pytest.raises(OptionError, match="the table of another pipeline"):
        measure(wish)
    assert wish.out.read_bytes() == before


def test_all_is_measured_without_the_option(
    wish: ReuseCalibration, measure: Callable[..., FakeDenoiser]
) -> None:
    measure(replace(wish, likeness=False))
    kinds = ReuseTable.load(wish.out).kinds
    assert kinds == (*(k for k in KINDS if k in kinds), *(k for k in LIKENESS if k in kinds))
    assert SIZE in kinds and {*CLASSES} < {*kinds}
