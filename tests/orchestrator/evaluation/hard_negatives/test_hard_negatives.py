"""`midstep hard-negatives`: pairs differ in one attribute, and what reuse spoils is counted."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from midstep.diffusion.denoise import Denoiser, Picture, Trajectory, Variation
from midstep.diffusion.factory import paced_identity
from midstep.errors import OptionError
from midstep.reuse.likeness import Grammar
from midstep.reuse.render import Spec, render
from midstep.scenario import Scenario
from midstep.scenario_file import load
from midstep.wire.frame import Frame
from midstep.workload.catalogue import Catalogue, Edge
from midstep.workload.requests import find_catalogue
from orchestrator.doctor.calibrate_reuse.drawing import Drawing, Job
from orchestrator.evaluation.hard_negatives import command
from orchestrator.evaluation.hard_negatives.pairs import HardPairs
from orchestrator.evaluation.reuse_curve.measuring import Trip
from tests.orchestrator.doctor.calibrate_reuse.fake import FakeDenoiser

SPOILT_FROM = 13  # the first step after which a picture has the size of its donor's
SHARE = 0.95  # at which the shipped table lets the same object serve up to step 12


@pytest.fixture(scope="module")
def few() -> Catalogue:
    """A catalogue of three objects on two colours and two scenes, which is quickly judged."""
    whole = find_catalogue(load("laptop"))
    backgrounds = whole.backgrounds
    return replace(
        whole,
        things=(whole.things[0], whole.things[18], whole.things[26]),
        backgrounds=(backgrounds[0], backgrounds[4], backgrounds[10], backgrounds[15]),
    )


class Painter(FakeDenoiser):
    """Renders what the prompt says; the size is the donor's where it came in late."""

    def __init__(self, scenario: Scenario, catalogue: Catalogue) -> None:
        super().__init__()
        self.identity = paced_identity(scenario.model)
        self._catalogue = catalogue
        self._grammar = Grammar(catalogue)

    def resume(
        self, frame: Frame, prompt: str, until: int, variation: Variation | None
    ) -> Trajectory:
        body = int(frame.payload), frame.step, frame.prompt_key
        return Trajectory(prompt=prompt, step=frame.step, steps=20, until=until, body=body)

    def begin(self, prompt: str, seed: int, until: int) -> Trajectory:
        return Trajectory(prompt=prompt, step=0, steps=20, until=until, body=(seed, 0, prompt))

    def decode(self, trajectory: Trajectory) -> Picture:
        _, step, donor = trajectory.body
        self.drawn[trajectory.prompt, 0, step] += 1
        spec = self._spec(trajectory.prompt)
        if step >= SPOILT_FROM:
            size = self._spec(donor).ending.size
            spec = replace(spec, ending=replace(spec.ending, size=size))
        return np.array(render(self._catalogue, spec, 5))

    def _spec(self, prompt: str) -> Spec:
        parts = self._grammar.parts(prompt)
        return Spec(Edge(parts.thing, parts.background), self._catalogue.endings[parts.ending])


def test_pairs_differ_in_their_attribute_alone(few: Catalogue) -> None:
    pairs = HardPairs(few, 0.25, 7)
    assert pairs.attributes == ("object", "colour", "scene", "position", "size")
    for place, attribute in enumerate(("object", None, "position", "size")):
        for name in ("colour", "scene") if attribute is None else (attribute,):
            for number in range(40):
                pair = pairs.pair(name, number)
                own, other = (
                    (one.edge.thing, one.edge.background, one.ending.position, one.ending.size)
                    for one in (pair.own, pair.other)
                )
                differs = [n for n, (a, b) in enumerate(zip(own, other, strict=True)) if a != b]
                assert differs == [place], (name, number)
                plain = few.backgrounds[pair.own.edge.background].rgb is not None
                assert name not in ("colour", "scene") or plain == (name == "colour")


def test_what_reuse_spoils_is_lost_where_it_is_and_nowhere_else(
    few: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = load("laptop")
    reuse = scenario.reuse.model_copy(update={"share": SHARE})
    scenario = scenario.model_copy(update={"reuse": reuse})
    monkeypatch.setattr(command, "find_catalogue", lambda _: few)
    painter = Painter(scenario, few)

    def open_drawing(_: Scenario) -> tuple[Denoiser, object]:
        drawing = Drawing(painter)

        def run(trips: Iterable[Trip]) -> None:
            drawing.run(Job(*trip) for trip in trips)

        return painter, run

    wish = command.HardNegatives(
        scenario=scenario,
        out=tmp_path / "hard",
        open_drawing=open_drawing,  # type: ignore[arg-type]
        pairs=6,
        steps=(14,),
    )
    assert command.hard_negatives(wish) == 0
    rows = list(csv.DictReader((wish.out / "hard.csv").read_text().splitlines()))
    for row in rows:
        spoilt = row["attribute"] == "size" and int(row["step"]) >= SPOILT_FROM
        assert row["without"] == row["pairs"] == "6", row
        assert row["lost"] == ("6" if spoilt else "0"), row
        assert (float(row["high"]) < 0) == spoilt
    limits = {row["attribute"]: int(row["step"]) for row in rows if row["is_limit"] == "1"}
    assert limits == {"object": 13, "colour": 12, "scene": 12}
    assert "position: words .95 serves nobody at that quality." in (
        (wish.out / "hard.md").read_text().splitlines()
    )

    drawn = painter.drawn.total()
    assert command.hard_negatives(wish) == 0
    assert painter.drawn.total() == drawn  # nothing twice
    with pytest.raises(OptionError, match="give steps from 1 to 19"):
        command.hard_negatives(replace(wish, steps=(20,)))
    strict = scenario.model_copy(update={"reuse": reuse.model_copy(update={"share": 0.9999})})
    with pytest.raises(OptionError, match="lower reuse"):
        command.hard_negatives(replace(wish, scenario=strict, steps=()))
