"""This machine against the profile that a run is paced by: in words, as figures, and whether it is
too slow for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from midstep.diffusion.pace import MachinePace

__all__ = ["SLOW", "figures", "in_words", "slowness", "too_slow"]

SLOW = 1.5  # times the profile's step: beyond, the run is another experiment
LEAST_TICKS = 20  # of a run whose own ticks are judged, instead of the measurement before it


def slowness(pace: MachinePace) -> float | None:
    """How many times longer than its profile says a machine takes: by the run's ticks, or by the
    measurement before it where those are few. None without a profile, or a denoiser that computes.
    """
    if pace.ticks is not None and pace.ticks.ticks >= LEAST_TICKS:
        return pace.slowness_in_run
    return pace.slowness


def too_slow(paces: Mapping[str, MachinePace]) -> list[str]:
    """Edges whose machine is more than SLOW times slower than the profile, one line each that says
    what to do."""
    return [
        f"{edge}: {_steps(pace)}: {factor:.1f} x slower, the bound is {SLOW:g} x; stop what else "
        f"keeps the machine busy, or measure its own profile (`midstep calibrate --out FILE`, "
        f"--set model.profile=FILE)"
        for edge, pace in paces.items()
        if (factor := slowness(pace)) is not None and factor > SLOW
    ]


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
