"""A trajectory's history: a step's output is what it was when the step was done, whatever the
solver does afterwards."""

from __future__ import annotations

import diffusers
import pytest

from midstep.diffusion.batched import BatchedDenoiser
from midstep.diffusion.denoise import Denoiser
from midstep.diffusion.pipelines import identify
from midstep.diffusion.windowed import WindowedDenoiser
from tests import tiny
from tests.midstep.diffusion.cuts import GUIDANCE, PROMPT, STEPS, opened, run


def with_solver(solver: str, kind: str) -> Denoiser:
    parts = opened("sd", "ddim", "batched").pipe.components  # type: ignore[attr-defined]
    scheduler = getattr(diffusers, solver).from_config(parts["scheduler"].config)
    pipe = diffusers.StableDiffusionPipeline(
        **{**parts, "scheduler": scheduler}, requires_safety_checker=False
    )
    identity = identify(pipe, str(tiny.folder("sd")), STEPS, GUIDANCE, 32, 32, "float32")
    return (
        BatchedDenoiser(pipe, identity) if kind == "batched" else WindowedDenoiser(pipe, identity)
    )


@pytest.mark.parametrize(
    ("solver", "kind"),
    [
        ("DPMSolverMultistepScheduler", "batched"),
        ("PNDMScheduler", "batched"),  # it adds up a tensor in place
        ("PNDMScheduler", "windowed"),
        ("HeunDiscreteScheduler", "batched"),  # it calls the network twice a step
    ],
)
def test_what_is_frozen_late_is_what_was_frozen_at_once(solver: str, kind: str) -> None:
    denoiser = with_solver(solver, kind)
    trajectory = denoiser.begin(PROMPT, 11, STEPS)
    trajectory.history = {}
    payloads = {}
    for step in (1, 2, 5, STEPS):
        trajectory.until = step
        run(denoiser, trajectory)
        payloads[step] = denoiser.freeze(trajectory, "key").payload
    for step, payload in payloads.items():
        assert denoiser.freeze(trajectory, "key", step).payload == payload, step
    held = denoiser.freeze(trajectory, "key", 2)
    again = run(denoiser, denoiser.resume(held, PROMPT, 5, None))
    assert denoiser.freeze(again, "key").payload == payloads[5]


def test_a_step_that_was_not_kept_cannot_be_frozen() -> None:
    denoiser = opened("sd", "ddim", "batched")
    trajectory = denoiser.begin(PROMPT, 11, 2)
    trajectory.history = {}
    with pytest.raises(KeyError):
        denoiser.freeze(run(denoiser, trajectory), "key", 3)
