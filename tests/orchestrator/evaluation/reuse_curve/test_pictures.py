"""The pictures of a curve: which are drawn, what is written down, and what a stop leaves."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from midstep.errors import OptionError
from midstep.workload.user_request import UserRequest
from orchestrator.doctor.calibrate_reuse.drawing import Drawing, Job
from orchestrator.evaluation.reuse_curve.measuring import Measuring, Trip, missing_places
from orchestrator.evaluation.reuse_curve.pair_journal import PairJournal, Place
from orchestrator.evaluation.reuse_curve.replay import Served
from orchestrator.evaluation.reuse_curve.scores import place_of, sample
from tests.orchestrator.doctor.calibrate_reuse.fake import FakeDenoiser

HEAD = {"pipeline": "one"}
SHAPE = (16, 16, 3)
PLACES = [Place("a cat", "a red cat", step) for step in (2, 4)] + [Place("a cat", "a cat", 0)]


def journal(folder: Path) -> PairJournal:
    return PairJournal(folder, HEAD, SHAPE)


def measure(of: PairJournal, places: Iterable[Place] = PLACES) -> FakeDenoiser:
    denoiser = FakeDenoiser()
    drawing = Drawing(denoiser)

    def run(trips: Iterable[Trip]) -> None:
        drawing.run(Job(*trip) for trip in trips)

    assert Measuring(denoiser, run, len, None, of).measure(places)
    return denoiser


def test_each_picture_is_drawn_once_with_the_one_without_reuse(tmp_path: Path) -> None:
    first = measure(journal(tmp_path))
    seed = len("a cat")
    assert first.drawn == {
        ("a red cat", seed, 0): 1,
        ("a red cat", seed, 2): 1,
        ("a red cat", seed, 4): 1,
        ("a cat", seed, 0): 1,
    }
    again = journal(tmp_path)
    assert not missing_places(again, PLACES)
    near, far = (again.drawn[place].values for place in PLACES[:2])
    assert near["ssim"] > far["ssim"]
    assert near["psnr"] > far["psnr"]
    assert measure(again, [*PLACES, Place("a cat", "a red cat", 3)]).drawn.total() == 1


def test_a_picture_is_read_as_it_was_drawn(tmp_path: Path) -> None:
    of = journal(tmp_path)
    rng = np.random.default_rng(1)
    pictures = {place: rng.integers(0, 255, SHAPE).astype(np.uint8) for place in PLACES}
    of.add({place: ({"ssim": 0.5}, picture) for place, picture in pictures.items()})
    again = journal(tmp_path)
    for place, picture in pictures.items():
        assert (again.picture(place) == picture).all()


@pytest.mark.parametrize("name", ["pairs.jsonl", "pictures.bin"])
def test_what_a_kill_cut_off_is_drawn_again_and_nothing_else_is_lost(
    tmp_path: Path, name: str
) -> None:
    of = journal(tmp_path)
    measure(of, PLACES[:1])
    measure(of)
    torn = tmp_path / name
    torn.write_bytes(torn.read_bytes()[:-5])
    again = journal(tmp_path)
    assert PLACES[0] in again.drawn
    assert PLACES[2] in missing_places(again, PLACES)
    measure(again)
    last = journal(tmp_path)
    for place in PLACES:
        assert (last.picture(place) == again.picture(place)).all()
    assert not missing_places(last, PLACES)


def test_pictures_of_another_model_are_refused(tmp_path: Path) -> None:
    journal(tmp_path)
    with pytest.raises(OptionError, match="belongs to another measurement"):
        PairJournal(tmp_path, {"pipeline": "another"}, SHAPE)


def test_who_wants_the_shared_picture_itself_loses_nothing() -> None:
    core = UserRequest("a cat", "a cat")
    own = UserRequest("a red cat", "a cat")
    assert place_of(Served(donor="a cat", step=9), core) == Place("a cat", "a cat", 0)
    assert place_of(Served(donor="a cat", step=9), own) == Place("a cat", "a red cat", 9)
    assert place_of(Served(donor="a dog", step=9), core) == Place("a dog", "a cat", 9)


def test_a_larger_sample_holds_every_smaller_one_and_all_are_even() -> None:
    large = sample(1000, 400)
    assert len({*large}) == 400
    assert sample(1000, 64) == large[:64]
    assert np.diff(np.sort(large[:64])).max() <= 2 * 1000 / 64
    assert sorted(sample(10, 99)) == [*range(10)]
