"""`midstep reproduce --real`: the point that Figures 8 to 10 share, with the shipped model's
measured step times and reuse limits in place of the formulas; and its pictures, computed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from midstep import scenario_file
from midstep.diffusion.factory import named_profile
from midstep.errors import EXIT_DIED, RecordError
from orchestrator.evaluation.figures import sweeps
from orchestrator.evaluation.figures.engine import page, playing, settings
from orchestrator.evaluation.figures.engine.command import Options, check, compared, made_with
from orchestrator.evaluation.figures.engine.settings import SHARED, Setting
from orchestrator.evaluation.figures.sweeps import Sweep
from orchestrator.evaluation.figures.values import Effort, Values
from orchestrator.evaluation.simulator.compare import TIGHTNESS
from orchestrator.evaluation.simulator.many import Workers
from orchestrator.records.folders import write_at_once

__all__ = ["EFFORT", "reproduce"]

EFFORT = Effort(seeds=3, slots=30)
PICTURE_EFFORT = Effort(seeds=1, slots=5)
PICTURE_POLICIES = ("ncldc", "drc")
REFERENCES = 200  # pictures that are made again without reuse
PROFILE = "cpu"
BATCH = 16  # that the profile was measured up to
LAST_STEPS = (6, 9)  # S* of the paper's default, and one that all of the model's limits reach
NO_LIMIT_S = 1e6  # as Lbar: Q stays 0
SLOT_SECONDS = 20.0  # longer than a picture takes on the slowest device
HEADS = {
    "response_by_slot_ms": ("response (s)", 1e-3),
    "hit_ratio": ("hit ratio (%)", 100.0),
    "saved_vs_ncldc_per_request_ms": ("time saved a request (s)", 1e-3),
    **{
        f"stage_{name}_ms": (f"of it {name} (s)", 1e-3)
        for name in ("queue", "edge", "transfer", "device")
    },
}


def reproduce(options: Options) -> int:
    """Play, draw up what is left of the claims, and compute pictures; the command's exit status,
    EXIT_DIED where runs failed. Raises MidstepError, one line."""
    policies = compared(options.policies)
    effort = options.effort
    check(effort)
    folder = options.folder
    began = time.perf_counter()
    roads = dict[str, Values]()
    targets = dict[int, float]()
    played = list[playing.Played]()
    for last_step in LAST_STEPS:
        setting = replace(SHARED, last_step=last_step)
        target_s, timed = _timed(setting, policies, options)
        targets[last_step] = target_s
        played.append(timed)
        roads[f"simulated, S* {last_step}"] = _simulated(last_step, policies, effort)
        size = effort.seeds, effort.slots
        sweep = {float(SHARED.users): setting}
        roads[f"measured, S* {last_step}"] = playing.values("real", sweep, policies, size, timed)
    drawn = [name for name in PICTURE_POLICIES if name in policies]
    changes = _changes(targets[SHARED.last_step])
    changes |= {"modes.denoiser": "real", "report.references": REFERENCES}
    plan = settings.plan("pictures", [(SHARED, drawn)], PICTURE_EFFORT, changes)
    pictures = playing.play(plan, folder / "pictures", options.setups, options.command)
    played.append(pictures)
    try:
        lines = _page(options, roads, targets)
        lines += ["", "## Pictures", "", *_pictures(drawn, pictures)]
        notes = [line for one in played for line in page.note_lines(one)]
        if notes:
            lines += ["", "## What did not come to its end", "", *notes]
        wall_s = sum(one.wall_s for one in played)
        lines += ["", made_with(time.perf_counter() - began, wall_s)]
        write_at_once(folder / "real.md", "\n".join(lines) + "\n")
    except OSError as error:
        raise RecordError(f"{folder}: cannot be written: {error}") from error
    print("\n".join(page.below_table(roads, SHARED.users)))
    print(f"{time.perf_counter() - began:.0f} s; {folder / 'real.md'}")
    return EXIT_DIED if any(one.failures for one in played) else 0


def _timed(
    setting: Setting, policies: Sequence[str], options: Options
) -> tuple[float, playing.Played]:
    """Lbar, seconds, as the model's page defines it: 0.993 of what `greedy` has with Q = 0 here;
    and the runs with it."""
    effort = options.effort
    name = f"real-{setting.last_step}"
    plan = settings.plan(f"{name}-target", [(setting, ["greedy"])], effort, _changes(NO_LIMIT_S))
    place = options.folder / plan.name
    free = playing.play(plan, place, options.setups, options.command)
    averages_ms = [of_run["latency_avg_ms"] for of_run in free.metrics.values() if of_run]
    target_s = TIGHTNESS * float(np.mean(averages_ms)) / 1e3
    plan = settings.plan(name, [(setting, policies)], effort, _changes(round(target_s, 6)))
    return target_s, playing.play(plan, options.folder / name, options.setups, options.command)


def _changes(target_s: float) -> dict[str, Any]:
    """What is other than in scenario `paper`."""
    return {
        "model.profile": PROFILE,
        "reuse.tolerance": None,
        "slot_seconds": SLOT_SECONDS,
        "edges.0.max_batch": BATCH,
        "policy.latency_target_s": target_s,
        "policy.weight_v": _weight_v(),
    }


def _weight_v() -> float:
    """V of (33), seconds: the scenario's, longer by as much as a step takes longer here. Q of (23)
    is a sum of latencies; beside the paper's V it would outweigh all that is saved."""
    scenario = scenario_file.load("paper")
    measured = scenario.model.model_copy(update={"profile": PROFILE})
    scale = named_profile(measured).step(1) / named_profile(scenario.model).step(1)
    return round(scenario.policy.weight_v * scale, 3)


def _simulated(last_step: int, policies: Sequence[str], effort: Effort) -> Values:
    sweep = Sweep("real", "reusable_steps", (last_step,), "S*", policies=tuple(policies))
    with Workers() as workers:
        values = sweeps.play(sweep, effort, {}, workers)
    values.x = [float(SHARED.users)]
    return values


def _page(options: Options, roads: Mapping[str, Values], targets: Mapping[int, float]) -> list[str]:
    effort = options.effort
    of_steps = " and ".join(f"{target:.3g} s (S* {step})" for step, target in targets.items())
    lines = [
        "# What is left with the shipped model's own times and limits",
        "",
        f"`{options.command}`: {effort.seeds} seeds, {effort.slots} slots, of which the first "
        f"{effort.warmup} are not measured; 20 users, 3 G, in virtual time. *simulated*: the "
        f"paper's formulas. *measured*: step times of the profile `{PROFILE}` by batch, at most "
        f"{BATCH} in one, in place of kappa D / f_es, devices at the same share of the edge's "
        f"speed; the model's measured reuse limits in place of rho(m); slots of "
        f"{SLOT_SECONDS:g} s, as a picture takes seconds; Lbar {of_steps}; V {_weight_v():.4g} s, "
        f"longer by as much as a step is.",
        "",
        "## Response below NCLDC's (the paper: 22.35 %)",
        "",
        *page.below_table(roads, SHARED.users),
    ]
    for road, values in roads.items():
        if road.startswith("measured"):
            lines += ["", f"## {road.capitalize()}", "", *page.points_table(values, HEADS)]
    return lines


def _pictures(policies: Sequence[str], played: playing.Played) -> list[str]:
    """How near pictures are to the same without reuse; all equal (PSNR's cap) on the device
    alone."""
    effort = PICTURE_EFFORT
    lines = [
        f"Every step computed by the shipped model, {effort.slots} slots, one seed; of up to "
        f"{REFERENCES} requests the picture was made again without reuse.",
        "",
        "| policy | PSNR (dB) | SSIM |",
        "|---|---|---|",
    ]
    for policy in policies:
        run = played.metrics.get((SHARED.under(policy), policy, 0), {})
        cells = [f"{run[name]:.4g}" if name in run else "-" for name in playing.QUALITIES]
        lines.append(f"| {policy} | {' | '.join(cells)} |")
    return lines
