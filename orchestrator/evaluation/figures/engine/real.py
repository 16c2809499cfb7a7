"""`midstep reproduce --real`: the point that Figures 8 to 10 share, with the shipped model's
measured step times and reuse limits in place of the formulas; and its pictures, computed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from midstep import scenario_file
from midstep.diffusion.factory import named_profile
from midstep.diffusion.profile import StepProfile
from midstep.errors import EXIT_DIED, RecordError
from orchestrator.evaluation.figures import sweeps
from orchestrator.evaluation.figures.engine import page, playing, settings
from orchestrator.evaluation.figures.engine.command import Options, check, compared, made_with
from orchestrator.evaluation.figures.engine.settings import SHARED
from orchestrator.evaluation.figures.sweeps import Sweep
from orchestrator.evaluation.figures.values import Effort, Values
from orchestrator.evaluation.simulator.many import Workers
from orchestrator.records.folders import write_at_once

__all__ = ["EFFORT", "reproduce"]

EFFORT = Effort(seeds=3, slots=50)
PICTURE_EFFORT = Effort(seeds=1, slots=5)
PICTURE_POLICIES = ("ncldc", "drc")
REFERENCES = 200  # pictures that are made again without reuse
PROFILE = "cpu"
BATCH = 16  # that the profile was measured up to
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
    changes = _changes(effort)
    plan = settings.plan("real", [(SHARED, policies)], effort, changes)
    timed = playing.play(plan, folder / "real", options.setups, options.command)
    drawn = [name for name in PICTURE_POLICIES if name in policies]
    computed = {"modes.denoiser": "real", "report.references": REFERENCES}
    plan = settings.plan("pictures", [(SHARED, drawn)], PICTURE_EFFORT, {**changes, **computed})
    pictures = playing.play(plan, folder / "pictures", options.setups, options.command)
    sweep = Sweep("real", "users", (SHARED.users,), "users", policies=tuple(policies))
    with Workers() as workers:
        simulated = sweeps.play(sweep, effort, {}, workers)
    roads = {
        "simulated": simulated,
        "measured": _values(policies, effort, timed),
    }
    try:
        lines = _page(options, roads, changes)
        lines += ["", "## Pictures", "", *_pictures(drawn, pictures)]
        notes = [*page.note_lines(timed), *page.note_lines(pictures)]
        if notes:
            lines += ["", "## What did not come to its end", "", *notes]
        lines += ["", made_with(time.perf_counter() - began, timed)]
        write_at_once(folder / "real.md", "\n".join(lines) + "\n")
    except OSError as error:
        raise RecordError(f"{folder}: cannot be written: {error}") from error
    print("\n".join(page.below_table(roads, SHARED.users)))
    print(f"{time.perf_counter() - began:.0f} s; {folder / 'real.md'}")
    return EXIT_DIED if timed.failures or pictures.failures else 0


def _changes(effort: Effort) -> dict[str, Any]:
    """What is other than in scenario `paper`. Lbar is the closed model's for a step of one request,
    the mean over seeds: it knows no batches, so that the run cannot calibrate itself."""
    scenario = scenario_file.load(settings.SCENARIO)
    model = scenario.model.model_copy(update={"profile": PROFILE})
    return {
        "model.profile": PROFILE,
        "reuse.tolerance": None,
        "slot_seconds": SLOT_SECONDS,
        "edges.0.max_batch": BATCH,
        "policy.latency_target_s": _target_s(named_profile(model), effort),
    }


def _target_s(profile: StepProfile, effort: Effort) -> float:
    from orchestrator.evaluation.simulator.compare import calibrate

    preset = SHARED.preset
    slower = preset.frame_bits / (1e9 * preset.edge_ghz) / profile.step(1)
    preset = preset.model_copy(
        update={
            "edge_ghz": preset.edge_ghz * slower,
            "device_ghz": preset.device_ghz * slower,
            "tolerance": False,
        }
    )
    targets = calibrate([(preset, seed) for seed in range(effort.seeds)], effort.slots)
    return float(targets.mean())


def _values(policies: Sequence[str], effort: Effort, played: playing.Played) -> Values:
    size = effort.seeds, effort.slots
    return playing.values("real", {SHARED.users: SHARED}, policies, size, played)


def _page(options: Options, roads: Mapping[str, Values], changes: Mapping[str, Any]) -> list[str]:
    effort = options.effort
    target_s = changes["policy.latency_target_s"]
    return [
        "# What is left with the shipped model's own times and limits",
        "",
        f"`{options.command}`: {effort.seeds} seeds, {effort.slots} slots, of which the first "
        f"{effort.warmup} are not measured; where Figures 8 to 10 meet (20 users, S* 6, 3 G), in "
        f"virtual time. *simulated*: the paper's formulas. *measured*: step times of the profile "
        f"`{PROFILE}` by batch, at most {BATCH}, in place of kappa D / f_es, devices at the same "
        f"share of the edge's speed; the model's measured reuse limits in place of rho(m); slots "
        f"of {SLOT_SECONDS:g} s, as a picture takes seconds; Lbar {target_s:.3g} s.",
        "",
        "## Response below NCLDC's (the paper: 22.35 %)",
        "",
        *page.below_table(roads, SHARED.users),
        "",
        "## Measured",
        "",
        *page.points_table(roads["measured"], HEADS),
    ]


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
