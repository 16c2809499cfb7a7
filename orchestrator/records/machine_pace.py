"""This machine against the profile that a run is paced by: in words, as figures, and whether it is
too slow for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from midstep.diffusion.pace import MachinePace

__all__ = ["SLOW", "figures", "in_words", "slowness", "too_slow"]

SLOW = 1.5  # times the profile's step: beyond, the machine's run is another experiment
# times the profile's step in the run's own ticks, however quick the machine is when it is left
# alone: two cores that also compute for devices take 1.4 times as long
SLOW_IN_RUN = 2.0
LEAST_TICKS = 20  # of a run whose own ticks are judged, beside the measurement before it


def slowness(pace: MachinePace) -> float | None:
    """How many times longer than its profile says a machine takes: the smaller of the measurement
    before the run, which other parts that start may disturb, and the run's own ticks, whose cores
    its devices need as well; a few ticks do not count. None without a profile, or a denoiser that
    computes."""
    known = [pace.slowness]
    if pace.ticks is not None and pace.ticks.ticks >= LEAST_TICKS:
        known.append(pace.slowness_in_run)
    return min((factor for factor in known if factor is not None), default=None)


def too_slow(paces: Mapping[str, MachinePace]) -> list[str]:
    """Edges whose machine is more than SLOW times slower than the profile, or more than SLOW_IN_RUN
    in the run, one line each that says what to do."""
    lines = []
    for edge, pace in paces.items():
        factors = [(slowness(pace), SLOW)]
        if pace.ticks is not None and pace.ticks.ticks >= LEAST_TICKS:
            factors.append((pace.slowness_in_run, SLOW_IN_RUN))
        broken = [one for one in factors if one[0] is not None and one[0] > one[1]]
        if broken:
            factor, bound = broken[0]
            lines.append(
                f"{edge}: {_steps(pace)}: {factor:.1f} x slower, the bound is {bound:g} x; stop "
                f"what else keeps the machine busy, or measure its own profile (`midstep calibrate "
                f"--out FILE`, --set model.profile=FILE)"
            )
    return lines


def in_words(pace: MachinePace) -> str:
    """The step's time in milliseconds: measured, in the profile, and whether ticks are held."""
    step_ms = f"{pace.step_s * 1e3:.1f} ms a step"
    if pace.measured_s is None:
        return f"{step_ms} in the profile"
    if pace.profile is None:
        return f"{step_ms} measured, which the devices' speed follows (no profile)"
    held = pace.measured_s <= pace.step_s
    return f"{_steps(pace)}: {'held' if held else 'slower, nothing can be held'}"


def _steps(pace: MachinePace) -> str:
    """What a step took before the run and in its ticks, and what the profile says."""
    measured_s = pace.step_s if pace.measured_s is None else pace.measured_s
    words = f"{measured_s * 1e3:.1f} ms a step measured"
    in_run = pace.slowness_in_run
    if in_run is not None:
        words += f", {in_run * pace.step_s * 1e3:.1f} in the run"
    return f"{words}, {pace.step_s * 1e3:.1f} in the profile"


def figures(pace: MachinePace) -> dict[str, Any]:
    """One edge's part of `run.pace` in summary.json, seconds."""
    in_run = pace.slowness_in_run
    ticks = pace.ticks
    return {
        "profile": pace.profile,
        "step_s": pace.step_s,
        "measured_step_s": pace.measured_s,
        "measured_spread": pace.spread,
        "run_step_s": None if in_run is None else in_run * pace.step_s,
        "ticks": None if in_run is None or ticks is None else ticks.ticks,
        "held_s": None if in_run is None or ticks is None else ticks.held_s,
        "slowness": slowness(pace),
    }
