"""`midstep reuse-curve`: what it leaves, also where it was stopped in between."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from midstep.diffusion.denoise import Denoiser
from midstep.errors import EXIT_MISSED, OptionError
from midstep.scenario import Scenario
from midstep.scenario_file import load
from midstep.wire.messages import Quality
from orchestrator.cli import main
from orchestrator.doctor.calibrate_reuse.drawing import Drawing, Job
from orchestrator.evaluation.reuse_curve.command import ReuseCurve, reuse_curve
from orchestrator.evaluation.reuse_curve.measuring import Trip
from tests.orchestrator.doctor.calibrate_reuse.fake import FakeDenoiser

WORDS = ("cat", "dog", "cow", "fox", "owl", "bee")


class Bench:
    """A wish on fake denoisers, and how many pictures were drawn."""

    def __init__(self, folder: Path) -> None:
        prompts = folder / "prompts.csv"
        lines = [f"a {WORDS[n * n % 6]},a {WORDS[n * n % 6]} no. {n % 3}" for n in range(40)]
        prompts.write_text("\n".join(["core,prompt", *lines]) + "\n")
        self.wish = ReuseCurve(
            scenario=load("laptop"),
            out=folder / "out",
            rules=["exact", "any"],
            capacities=[2],
            open_drawing=self.open_drawing,
            prompts=str(prompts),
            requests=30,
            warm_up=10,
            embeddings=("words",),
            sample=8,
        )

    def open_drawing(self, scenario: Scenario) -> tuple[Denoiser, object]:
        drawing = Drawing(self.denoiser)

        def run(trips: Iterable[Trip]) -> None:
            drawing.run(Job(*trip) for trip in trips)

        return self.denoiser, run

    def call(self, dies_after: int | None = None, **changes: object) -> int:
        self.denoiser = FakeDenoiser(dies_after)
        self.denoiser.identity = replace(self.denoiser.identity, height=16, width=16)
        return reuse_curve(replace(self.wish, **changes))  # type: ignore[arg-type]


def test_it_leaves_a_row_a_point_and_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    whole = Bench(tmp_path)
    assert whole.call() == 0
    drawn = whole.denoiser.drawn.total()
    expected = (tmp_path / "out" / "curve.csv").read_text()
    rows = list(csv.DictReader(expected.splitlines()))
    assert all((row["capacity"], row["pictures"]) == ("2", "8") for row in rows)
    assert all((float(row["similar"]) > 0) == (row["rule"] == "any") for row in rows)
    for name in ("curve.md", "curve.svg"):
        assert (tmp_path / "out" / name).stat().st_size

    with pytest.raises(KeyboardInterrupt):
        whole.call(dies_after=drawn // 2, out=tmp_path / "again")
    assert whole.call(out=tmp_path / "again", hours=0.0) == EXIT_MISSED
    assert whole.call(out=tmp_path / "again") == 0
    assert 0 < whole.denoiser.drawn.total() <= drawn
    assert (tmp_path / "again" / "curve.csv").read_text() == expected


def test_what_there_is_not_is_refused_in_a_line(tmp_path: Path) -> None:
    of = Bench(tmp_path)
    for changes, words in (
        ({"rules": ["nearest"]}, "--rules: there is no rule nearest"),
        ({"rules": ["staircase"]}, "--rules: staircase is fitted to a catalogue's pairs"),
        ({"keep": "all"}, "--keep all: give frequent or recent"),
        ({"embeddings": ("clip",)}, "--embeddings: there is no clip"),
        ({"warm_up": 40}, "--prompts .* 40 requests, 40 of them to warm up"),
    ):
        with pytest.raises(OptionError, match=words):
            of.call(**changes)


def test_points_are_of_what_users_ask_for(tmp_path: Path) -> None:
    of = Bench(tmp_path)
    wish = Quality(metric="psnr", floor=20.0, share=0.97)
    assert of.call(qualities=(wish,), sample=0) == 0
    rows = list(csv.DictReader((tmp_path / "out" / "curve.csv").read_text().splitlines()))
    assert {(row["metric"], row["floor"], row["share"]) for row in rows} == {
        ("psnr", "20.0", "0.97")
    }


@pytest.mark.parametrize(
    "text", ["fidelity", "lpips:1:0.9", "ssim:0.9:1", "ssim:nan:0.9", "fidelity:7:0.9", "a:b:c:d"]
)
def test_a_quality_that_is_none_is_refused_in_a_line(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reuse-curve", "--ask", text]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"--ask {text}: write METRIC:FLOOR:SHARE" in line
