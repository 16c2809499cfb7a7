"""`midstep calibrate`: the profile that it writes, and what it refuses before it measures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from midstep.diffusion.profile import StepProfile
from midstep.errors import OptionError
from midstep.scenario_file import load
from orchestrator.doctor import calibrate as module
from orchestrator.doctor import quiet
from orchestrator.doctor.calibrate import batch_sizes, calibrate
from orchestrator.doctor.quiet import LoadWatch, Quiet
from tests import paced, tiny


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
    # whether other programs run meanwhile is not what this is about
    assert calibrate(load(None, settings), (1, 2), out, force=True) == 0
    profile = StepProfile.load(out)
    assert set(profile.step_s) == {1, 2} and profile.spread is not None
    assert profile.model == str(tiny.folder("sd"))
    assert 4 * 16 * 16 * 4 <= profile.frame_bytes < 4 * 16 * 16 * 4 + 2000


@pytest.mark.parametrize(
    ("quiet", "doubt"),
    [
        (Quiet(others=0.02, share=0.99, spread=0.04), ""),
        (Quiet(others=0.02, share=None, spread=None), ""),
        (Quiet(others=0.02, share=0.49, spread=0.04), "had a core for 49% of its time"),
        (Quiet(others=0.61, share=0.97, spread=0.04), "other programs used 61% of all cores"),
        (Quiet(others=0.02, share=0.97, spread=0.40), "spread by 40% of their median"),
    ],
)
def test_a_busy_machine_is_no_measure_for_others(
    quiet: Quiet,
    doubt: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(module, "open_denoiser", lambda *_: paced.denoiser())
    monkeypatch.setattr(module, "measure", lambda *_, **__: replace(paced.PROFILE, spread=0.04))
    monkeypatch.setattr(LoadWatch, "end", lambda *_: quiet)
    out = tmp_path / "profile.json"
    status = calibrate(load(None, []), (1, 2), out)
    assert (status, out.is_file()) == ((1, False) if doubt else (0, True))
    line = capsys.readouterr().err
    assert doubt in line and line.count("\n") == (1 if doubt else 0)
    if doubt:
        assert "10.0 ms a step" in line and "--force" in line
        assert calibrate(load(None, []), (1, 2), out, force=True) == 0
        assert StepProfile.load(out).measured_on.endswith("busy")


def test_a_thread_that_waits_had_no_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this process waits for is time without a core, what it computes is not others' load."""
    now = SimpleNamespace(wall_s=0.0, own_s=0.0, busy_s=0.0)
    clock = SimpleNamespace(perf_counter=lambda: now.wall_s, process_time=lambda: now.own_s)
    monkeypatch.setattr(quiet, "time", clock)
    monkeypatch.setattr(quiet, "_busy_s", lambda: now.busy_s)
    monkeypatch.setattr(quiet, "psutil", SimpleNamespace(cpu_count=lambda: 2))
    watch = LoadWatch()
    now.wall_s = 2.0
    now.own_s = 0.5
    now.busy_s = 1.5
    assert watch.end(None, one_thread=True) == Quiet(others=0.25, share=0.25, spread=None)
    assert watch.end(None, one_thread=False).share is None
