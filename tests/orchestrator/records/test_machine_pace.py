"""A machine against the profile of its run: the verdict, and the figures of the summary."""

from __future__ import annotations

from pathlib import Path

import pytest

from midstep.diffusion.pace import MachinePace, TickTotals
from midstep.scenario import Scenario
from orchestrator.records import fidelity, machine_pace, report, summary
from orchestrator.records.recorder import Recorder


@pytest.mark.parametrize(
    ("measured_s", "in_run", "valid"),
    [
        (0.013, None, True),
        (0.030, None, True),  # slower, not by half
        (0.806, None, False),
        (0.806, (100, 0.9), True),  # only the measurement was disturbed
        (0.040, (100, 1.6), False),
        (0.013, (100, 1.6), True),  # the run's own devices need the cores as well
        (0.013, (100, 2.1), False),  # and not that much
        (0.013, (5, 1.6), True),  # too few ticks to say so
    ],
)
def test_a_machine_too_slow_for_its_profile_makes_the_run_invalid(
    measured_s: float, in_run: tuple[int, float] | None, valid: bool
) -> None:
    ticks = None
    if in_run is not None:
        number, factor = in_run
        ticks = TickTotals(ticks=number, computed_s=factor, profiled_s=1.0)
    pace = MachinePace(step_s=0.02, profile="cpu", measured_s=measured_s, ticks=ticks)
    sentence = fidelity.verdict([], 50, slow=machine_pace.too_slow({"edge-0": pace}))
    assert (sentence == "VALID") == valid
    if not valid:
        assert f"{measured_s * 1e3:.1f} ms a step measured" in sentence
        assert "20.0 in the profile" in sentence and "midstep calibrate --out" in sentence
        bound = 1.5 if measured_s > 0.030 else 2
        assert f"the bound is {bound:g} x" in sentence
        assert "\n" not in sentence


def test_a_machine_without_a_profile_or_without_computing_is_compared_with_nothing() -> None:
    relative = MachinePace(step_s=0.8, measured_s=0.8)
    waits = MachinePace(step_s=0.02, profile="cpu", ticks=TickTotals())
    assert machine_pace.too_slow({"a": relative, "b": waits}) == []
    assert machine_pace.figures(waits)["run_step_s"] is None


def test_a_run_that_broke_off_still_says_how_slow_its_machine_was(
    scenario: Scenario, tmp_path: Path
) -> None:
    recorder = Recorder(tmp_path / "run", scenario)
    pace = MachinePace(step_s=0.0237, profile="cpu", measured_s=0.806, spread=0.1)
    recorder.began({"edge-0": 0.0237}, {"model": "m"}, None, {"edge-0": pace})
    page = report.write(tmp_path / "run").read_text()
    assert "806.0 ms a step measured, 23.7 in the profile" in page and "34.0 x slower" in page
    assert "806.0 ms measured before the run (spread 10%)" in page


def test_the_summary_has_both_steps_and_what_was_held(scenario: Scenario) -> None:
    ticks = TickTotals(ticks=100, computed_s=1.0, profiled_s=2.0, held_s=0.9)
    pace = MachinePace(step_s=0.02, profile="cpu", measured_s=0.012, ticks=ticks)
    facts = summary.RunFacts(pace={"edge-0": pace})
    figures = summary.summarise(scenario, [], [], [], facts)["run"]["pace"]["edge-0"]
    assert figures["step_s"] == 0.02 and figures["measured_step_s"] == 0.012
    assert figures["run_step_s"] == pytest.approx(0.01) and figures["held_s"] == 0.9
    assert figures["slowness"] == pytest.approx(0.5)
