"""`midstep own-endings`: pictures of two users are the more alike the later they part."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from midstep.diffusion.denoise import Denoiser, Picture, Trajectory
from midstep.errors import OptionError
from midstep.scenario import Scenario
from midstep.scenario_file import load
from orchestrator.doctor.calibrate_reuse.drawing import Drawing, Job
from orchestrator.evaluation.own_endings.command import OwnEndings, own_endings
from orchestrator.evaluation.reuse_curve.measuring import Trip
from tests.orchestrator.doctor.calibrate_reuse.fake import STEPS, FakeDenoiser


class Follower(FakeDenoiser):
    """A picture of the output's noise, and the more of the prompt's own the earlier they part."""

    def __init__(self) -> None:
        super().__init__()
        self.identity = replace(self.identity, height=16, width=16)

    def decode(self, trajectory: Trajectory) -> Picture:
        seed, cut = trajectory.body
        self.drawn[trajectory.prompt, seed, cut] += 1
        shared = np.random.default_rng(seed).integers(0, 200, (16, 16, 3))
        own = np.random.default_rng(len(trajectory.prompt)).integers(0, 200, (16, 16, 3))
        mixed: Picture = (shared + (own - shared) * (1 - cut / STEPS)).astype(np.uint8)
        return mixed


def test_pictures_that_part_late_are_alike(tmp_path: Path) -> None:
    denoiser = Follower()

    def open_drawing(_: Scenario) -> tuple[Denoiser, object]:
        drawing = Drawing(denoiser)

        def run(trips: Iterable[Trip]) -> None:
            drawing.run(Job(*trip) for trip in trips)

        return denoiser, run

    wish = OwnEndings(
        scenario=load("laptop"),
        out=tmp_path / "own",
        open_drawing=open_drawing,  # type: ignore[arg-type]
        prompts=6,
        users=3,
        steps=(2, 5),
    )
    assert own_endings(wish) == 0
    rows = list(csv.DictReader((wish.out / "endings.csv").read_text().splitlines()))
    assert [(row["step"], row["pairs"]) for row in rows] == [("0", "18"), ("2", "18"), ("5", "18")]
    alone, early, late = (float(row["alike_ssim"]) for row in rows)
    assert alone < early < late
    assert [row["more_ssim"] for row in rows[:1]] == [""]
    assert float(rows[2]["more_ssim"]) == pytest.approx(late - alone)
    assert float(rows[1]["own_ssim"]) > float(rows[2]["own_ssim"])
    drawn = denoiser.drawn.total()
    assert own_endings(wish) == 0
    assert denoiser.drawn.total() == drawn
    for changes, words in (
        ({"users": 15}, "--users 15: give 2 to 14"),
        ({"steps": (6,)}, "--steps: give steps from 1 to 5"),
    ):
        with pytest.raises(OptionError, match=words):
            own_endings(replace(wish, **changes))
