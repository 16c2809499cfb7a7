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


def small(dies_after: int | None = None) -> FakeDenoiser:
    """Pictures that no judge of the catalogue can judge."""
    denoiser = FakeDenoiser(dies_after)
    denoiser.identity = replace(denoiser.identity, height=16, width=16)
    return denoiser


@pytest.fixture
def wish(tmp_path: Path) -> ReuseCalibration:
    settings = ["reuse.share=0.8", "reuse.metric=psnr", "reuse.floor=30"]
    return ReuseCalibration(
        scenario=load("laptop", settings), out=tmp_path / "reuse.json", likeness=True, most=40
    )


@pytest.fixture
def measure(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakeDenoiser]:
    def run(wish: ReuseCalibration, dies_after: int | None = None) -> FakeDenoiser:
        denoiser = small(dies_after)
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
    held = measured.table(**asdict(small().identity), cells=measured.table().cells[:5])
    held.save(wish.out)
    denoiser = measure(wish)
    table = ReuseTable.load(wish.out)
    assert table.cells[:5] == held.cells and table.share == held.share
    assert table.kinds == (SIZE, *CLASSES)
    for kind in CLASSES:
        assert table.limit(kind, "psnr", 30, 0.8) == GOOD
        assert table.pairs(kind, "ssim") == 40  # too few to say that it reaches .95
    pairs = CatalogueLikePairs(find_catalogue(wish.scenario), False, 0.25)
    own = {pairs.pair(kind, number).prompt for kind in CLASSES for number in range(40)}
    assert {prompt for prompt, _, _ in denoiser.drawn} <= own
    # by fidelity, which was not measured, and by PSNR; 40 pairs are too few for shares of .95, .99
    assert f"| {SAME_SCENE} | - / - / - | {GOOD} / - / - |" in capsys.readouterr().out
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


def test_steps_that_are_left_out_count_as_the_next(
    wish: ReuseCalibration, measure: Callable[..., FakeDenoiser]
) -> None:
    measure(replace(wish, steps=(5, 2, 4)))
    table = ReuseTable.load(wish.out)
    assert {cell.step for cell in table.cells} == {2, 4, 5}
    assert table.limit(SAME_SCENE, "psnr", 30, 0.8) == 2  # 3 would hold, and nobody knows
    measure(replace(wish, steps=(2, 3, 4)))
    assert ReuseTable.load(wish.out).limit(SAME_SCENE, "psnr", 30, 0.8) == GOOD
    with pytest.raises(OptionError, match="--steps: give steps from 1 to 5"):
        measure(replace(wish, steps=(0, 3)))


def test_a_picture_without_reuse_is_drawn_once_for_all_classes(
    wish: ReuseCalibration, measure: Callable[..., FakeDenoiser]
) -> None:
    denoiser = measure(wish)
    pairs = CatalogueLikePairs(find_catalogue(wish.scenario), False, 0.25)
    for number in range(3):
        pair = pairs.pair(UNRELATED, number)
        assert denoiser.drawn[pair.prompt, pair.seed, 0] == 1


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


def test_donors_of_a_list_are_in_bins_of_their_likeness(
    wish: ReuseCalibration, measure: Callable[..., FakeDenoiser], tmp_path: Path
) -> None:
    prompts = tmp_path / "pairs.csv"
    prompts.write_text(
        "core,prompt,donor\n"
        "a red fox in deep snow,a red fox in deep snow at night,a red fox in the deep snow\n"
        "a red fox in deep snow,a red fox in deep snow at night,two blue whales\n"
        "a red fox,a red fox asleep,\n"
    )
    denoiser = measure(replace(wish, prompts=str(prompts), likeness=False))
    table = ReuseTable.load(wish.out)
    assert table.kinds == ("words", "words .9", "words 0") and table.embedding == "words"
    assert table.limit("words 0", "psnr", 30, 0.8) == GOOD
    assert {prompt for prompt, _, _ in denoiser.drawn} == {
        "a red fox",  # of the curves, a trajectory of its own to the end
        "a red fox asleep",
        "a red fox in deep snow at night",
    }
    measure(replace(wish, prompts=str(prompts)))
    assert ReuseTable.load(wish.out) == table
    prompts.write_text("core,prompt\na red fox,a red fox asleep\n")
    with pytest.raises(OptionError, match="no row has a donor that differs from its core"):
        measure(replace(wish, prompts=str(prompts)))
