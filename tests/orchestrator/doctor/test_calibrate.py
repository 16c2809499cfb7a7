"""`midstep calibrate`: the profile that it writes, and what it refuses before it measures."""

from __future__ import annotations

from pathlib import Path

import pytest

from midstep.diffusion.profile import StepProfile
from midstep.errors import OptionError
from midstep.scenario_file import load
from orchestrator.doctor import calibrate as module
from orchestrator.doctor.calibrate import batch_sizes, calibrate
from tests import tiny


@pytest.mark.parametrize(
    ("text", "sizes"), [("8", (1, 8)), ("4,1,2", (1, 2, 4)), ("1", (1,)), ("2, 2", (1, 2))]
)
def test_a_step_of_one_request_is_always_measured(text: str, sizes: tuple[int, ...]) -> None:
    assert batch_sizes(text) == sizes


@pytest.mark.parametrize("text", ["1,x", "0", "-1", "", "1,,2", "²"])
def test_what_is_no_batch_size_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="give numbers above 0") as error:
        batch_sizes(text)
    assert "\n" not in str(error.value)


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured(*args: object) -> None:
        raise AssertionError("the model was opened")

    monkeypatch.setattr(module, "open_denoiser", measured)
    (tmp_path / "file").write_text("")
    for out in (tmp_path, tmp_path / "file" / "profile.json"):
        with pytest.raises(OptionError, match="cannot be written"):
            calibrate(load(None, []), (1,), out)


def test_the_profile_has_the_bytes_of_an_output(tmp_path: Path) -> None:
    out = tmp_path / "new" / "profile.json"
    settings = [f"model.path={tiny.folder('sd')}", "model.steps=4", "model.split_step=2"]
    assert calibrate(load(None, settings), (1, 2), out) == 0
    profile = StepProfile.load(out)
    assert set(profile.step_s) == {1, 2}
    assert 4 * 16 * 16 * 4 <= profile.frame_bytes < 4 * 16 * 16 * 4 + 2000
