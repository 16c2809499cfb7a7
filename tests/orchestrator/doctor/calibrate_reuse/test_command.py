"""`midstep calibrate --reuse`: the table that it writes, also where it was stopped in between."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from midstep.errors import OptionError, RecordError
from midstep.reuse.limits import WORDS
from midstep.reuse.table import Curve, ReuseTable
from midstep.scenario_file import load
from orchestrator.doctor.calibrate_reuse import command as module
from orchestrator.doctor.calibrate_reuse.command import ReuseCalibration, calibrate_reuse
from orchestrator.doctor.calibrate_reuse.findings import p_max
from tests import tiny
from tests.orchestrator.doctor.calibrate_reuse.fake import GOOD, STEPS, FakeDenoiser


@pytest.fixture
def wish(tmp_path: Path) -> ReuseCalibration:
    prompts = tmp_path / "pairs.csv"
    prompts.write_text("core,prompt\na house,a red house\na dog,a dog in the rain\n")
    scenario = load("laptop", ["reuse.share=0.8", "reuse.metric=psnr", "reuse.floor=30"])
    return ReuseCalibration(scenario=scenario, out=tmp_path / "out", prompts=str(prompts), most=40)


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


def test_the_limit_is_measured(
    wish: ReuseCalibration,
    measure: Callable[..., FakeDenoiser],
    capsys: pytest.CaptureFixture[str],
) -> None:
    denoiser = measure(wish)
    table = ReuseTable.load(wish.out / "reuse.json")
    assert table.limit(WORDS, "psnr", 30, 0.8) == GOOD
    assert table.limit(WORDS, "ssim", 0.9, 0.8) == GOOD
    good = table.cell(WORDS, "psnr", GOOD)
    bad = table.cell(WORDS, "psnr", GOOD + 1)
    assert good is not None and bad is not None
    assert good.count == 16 and bad.count == 3  # all right: decided at 16; all wrong: at 3
    assert f"| words | {GOOD} |" in capsys.readouterr().out
    assert denoiser.largest_batch == 32


@pytest.mark.parametrize("dies_after", [5, 20, 60])
def test_what_was_stopped_goes_on_and_measures_nothing_twice(
    dies_after: int, wish: ReuseCalibration, measure: Callable[..., FakeDenoiser]
) -> None:
    whole = replace(wish, out=wish.out / "whole")
    uninterrupted = measure(whole)
    stopped = measure(wish, dies_after)
    journal = wish.out / "reuse.journal.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(lines) + '{"kind": "words", "pa')  # killed as it wrote
    measured = {
        (tree["pair"], int(step))
        for tree in map(json.loads, lines)
        if "steps" in tree
        for step in tree["steps"]
    }
    again = measure(wish)
    first = (whole.out / "reuse.json").read_text()
    assert (wish.out / "reuse.json").read_text() == first
    assert again.drawn.total() == uninterrupted.drawn.total() - _own_and_reused(measured)
    assert {*again.drawn} | {*stopped.drawn} == {*uninterrupted.drawn}
    assert measure(wish).drawn.total() == 0  # all is in the journal


def _own_and_reused(measured: set[tuple[int, int]]) -> int:
    """Finished pictures behind these values: each reused one, and each pair's without reuse; and of
    the pairs whose trajectory was compared step by step, the core prompt's."""
    pairs = {pair for pair, _ in measured}
    return len(measured) + 2 * len(pairs)


def test_a_journal_of_other_pairs_is_refused(
    wish: ReuseCalibration, measure: Callable[..., FakeDenoiser]
) -> None:
    measure(wish)
    Path(str(wish.prompts)).write_text("core,prompt\na cat,a black cat\n")
    with pytest.raises(OptionError, match="belongs to another calibration") as error:
        measure(wish)
    assert "its pairs" in str(error.value) and "\n" not in str(error.value)


def test_what_cannot_be_written_is_one_line_and_loses_nothing(
    wish: ReuseCalibration,
    measure: Callable[..., FakeDenoiser],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    writes = iter(range(3))

    def full(_: int) -> None:
        if next(writes, None) is None:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("os.fsync", full)
        with pytest.raises(RecordError, match=r"No space left.*goes on from there"):
            measure(wish)
    begun = (wish.out / "reuse.journal.jsonl").read_bytes()
    (wish.out / "reuse.json.tmp").mkdir()  # where the table is written first
    with pytest.raises(RecordError, match="all measurements are in"):
        measure(wish)
    assert f"| words | {GOOD} |" in capsys.readouterr().out
    assert (wish.out / "reuse.journal.jsonl").read_bytes().startswith(begun)
    (wish.out / "reuse.json.tmp").rmdir()
    assert measure(wish).drawn.total() == 0


def test_the_time_is_over(
    wish: ReuseCalibration,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(module, "open_denoiser", lambda *_: FakeDenoiser())
    assert calibrate_reuse(replace(wish, hours=0)) == 1
    assert "call again to go on" in capsys.readouterr().err


def test_what_was_drawn_before_the_time_was_over_is_in_the_table(
    wish: ReuseCalibration,
    measure: Callable[..., FakeDenoiser],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As far as it is without a gap: of the rest nobody knows what was left out."""
    measure(wish, dies_after=60)  # in the third round, of pairs 8 to 15
    monkeypatch.setattr(module, "open_denoiser", lambda *_: FakeDenoiser())
    assert calibrate_reuse(replace(wish, hours=0)) == 1
    table = ReuseTable.load(wish.out / "reuse.json")
    assert table.pairs(WORDS, "psnr") == 8
    assert table.limit(WORDS, "psnr", 30, 0.8) == 0 and table.limit(WORDS, "psnr", 30, 0.6) == GOOD


def test_a_real_model_without_a_catalogue(wish: ReuseCalibration) -> None:
    """The whole way on a tiny pipeline, four pairs: its outputs are those of the live edge."""
    settings = [f"model.path={tiny.folder('sd')}", "model.steps=3", "model.split_step=1"]
    scenario = load(None, settings)
    with pytest.raises(OptionError, match="has no catalogue of prompts; give pairs by --prompts"):
        calibrate_reuse(replace(wish, scenario=scenario, prompts=None))
    assert calibrate_reuse(replace(wish, scenario=scenario, most=4)) == 0
    table = ReuseTable.load(wish.out / "reuse.json")
    assert table.kinds == (WORDS,) and table.metrics == ("psnr", "ssim")
    assert {(cell.step, cell.count) for cell in table.cells} == {(1, 4), (2, 4)}
    assert table.model == str(tiny.folder("sd")) and table.steps == 3


def test_paced_outputs_have_no_quality(wish: ReuseCalibration) -> None:
    scenario = load("crowd")
    with pytest.raises(OptionError, match="paced computes no pictures"):
        calibrate_reuse(replace(wish, scenario=scenario))


def test_p_max_is_where_the_papers_rule_gives_the_same_limit() -> None:
    """S* of section 3.2 is the last step whose PSNR is below P_max."""
    rising = Curve(count=1, first=1, mean=(10.0, 12.0, 15.0, 19.0), p05=(), p50=())
    falling = Curve(count=1, first=2, mean=(19.0, 15.0, 12.0, 10.0), p05=(), p50=())
    assert p_max(rising, 2) == (12.0, 15.0)
    assert p_max(falling, 3) is None
    assert STEPS > GOOD
