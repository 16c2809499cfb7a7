"""Builds a scenario's denoiser, real or paced; and how long its steps take and
how large its outputs are here."""

from __future__ import annotations

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from midstep.clock import Clock
from midstep.diffusion import pipelines
from midstep.diffusion.denoise import Denoiser
from midstep.diffusion.profile import StepProfile
from midstep.errors import ModelError, ScenarioError
from midstep.scenario import Model, Scenario
from midstep.wire.identity import PipelineIdentity, digest

__all__ = [
    "LEAST_REPEATS",
    "compute_thread",
    "measure",
    "named_profile",
    "open_computing",
    "open_denoiser",
    "output_bytes",
    "paced_identity",
    "profile_file",
    "without_foreign_profile",
]

BATCHED = ("StableDiffusionPipeline", "StableDiffusionXLPipeline")
LEAST_REPEATS = 3
MEASURE_S = 5.0  # of each batch size, after which so few suffice


def open_denoiser(scenario: Scenario, threads: int = 1) -> Denoiser:
    """The denoiser of a scenario's model and modes. A real one packs frames as they are, until it
    is told otherwise: an edge's are as reuse.frame says. Raises ModelError or ScenarioError, one
    line each."""
    if scenario.modes.denoiser == "paced":
        from midstep.diffusion.paced import PacedDenoiser

        paced = PacedDenoiser(paced_identity(scenario.model), named_profile(scenario.model))
        paced.frame_numbers = scenario.reuse.frame
        return paced
    import torch

    torch.set_num_threads(threads)
    model = scenario.model
    pipe = pipelines.load(model.path, model.dtype, model.device, model.scheduler)
    default_height, default_width = pipelines.default_size(pipe)
    height = model.height or default_height
    width = model.width or default_width
    pipelines.check_size(pipe, height, width)
    identity = pipelines.identify(
        pipe, model.path, model.steps, model.guidance, height, width, model.dtype
    )
    if type(pipe).__name__ in BATCHED:
        from midstep.diffusion.batched import BatchedDenoiser

        return BatchedDenoiser(pipe, identity)
    from midstep.diffusion.windowed import WindowedDenoiser

    return WindowedDenoiser(pipe, identity)


def compute_thread(device: str) -> ThreadPoolExecutor:
    """The one thread that computes, off the event loop, named for profilers.

    Open the denoiser in it, too: every thread that computes gets an OpenMP team of its own, and two
    teams on as many cores as one needs slow each other down (docs/design.md, "Measured choices").
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    return ThreadPoolExecutor(1, thread_name_prefix=f"denoise-{device}")


async def open_computing(
    scenario: Scenario, threads: int, clock: Clock
) -> tuple[Denoiser, ThreadPoolExecutor | None]:
    """The scenario's denoiser, and the thread that it was opened in and computes in; in virtual
    time no thread: it computes in the event loop. Raises as open_denoiser."""
    if clock.virtual:
        return open_denoiser(scenario, threads), None
    thread = compute_thread(scenario.model.device)
    try:
        denoiser = await asyncio.get_running_loop().run_in_executor(
            thread, open_denoiser, scenario, threads
        )
    except BaseException:
        thread.shutdown(wait=False, cancel_futures=True)
        raise
    return denoiser, thread


def paced_identity(model: Model) -> PipelineIdentity:
    """The identity of outputs that are only paced: they never mix with real ones."""
    return PipelineIdentity(
        model=model.path,
        revision="paced",
        scheduler=model.scheduler,
        scheduler_config=digest([model.scheduler, "paced"]),
        steps=model.steps,
        guidance=model.guidance,
        height=model.height or 64,
        width=model.width or 64,
        dtype=model.dtype,
    )


def named_profile(model: Model) -> StepProfile:
    """The profile that the scenario names: one of the model's own, or a file. Raises ScenarioError,
    also for a file of another model's times."""
    name = str(model.profile)
    own = _own_profile(model.path, name)
    path = profile_file(model)
    if path is not None:
        profile = StepProfile.load(path)
        if path != own and not profile.fits(model.path):
            raise ScenarioError(
                f"model.profile: {name} has the times of {profile.model}, model.path is "
                f"{model.path}: measure its own (`midstep calibrate --model {model.path} "
                f"--out FILE`)"
            )
        return profile
    names = sorted(path.stem for path in own.parent.glob("*.json")) if own.parent.is_dir() else []
    raise ScenarioError(
        f"model.profile: no file {name}, and {model.path} ships {', '.join(names) or 'no profiles'}"
        f"; `midstep calibrate --out FILE` writes one, null paces by what is measured at the start"
    )


def profile_file(model: Model) -> Path | None:
    """The file of the profile that the scenario names: one of the model's own, or a path; None
    where there is none. Raises ModelError where there is no such model."""
    if model.profile is None:
        return None
    for path in (_own_profile(model.path, model.profile), Path(model.profile)):
        if path.is_file():
            return path
    return None


def without_foreign_profile(scenario: Scenario) -> Scenario:
    """A scenario whose model was exchanged: without the profile that the other model shipped,
    unless this one ships one of that name, or the run computes nothing and has to wait for it."""
    name = scenario.model.profile
    modes = scenario.modes
    waits = modes.denoiser == "paced" or modes.clock == "virtual"
    if name is None or waits or Path(name).is_file():
        return scenario
    try:
        if _own_profile(scenario.model.path, name).is_file():
            return scenario
    except ModelError:  # no such model: whoever opens it says so
        return scenario
    model = scenario.model.model_copy(update={"profile": None})
    return scenario.model_copy(update={"model": model})


def _own_profile(model: str, name: str) -> Path:
    return Path(pipelines.locate(model)) / "profiles" / f"{name}.json"


def measure(
    denoiser: Denoiser, batches: tuple[int, ...] = (1,), repeats: int = 9, measured_on: str = ""
) -> StepProfile:
    """Run a few steps and time them: medians over `repeats`, fewer (at least 3) where one step
    takes long, after a first run that warms up. The sizes take turns, so that what disturbs the
    machine for a moment shows in the spread of all. Blocks."""
    if denoiser.profile is not None:
        return denoiser.profile
    # a windowed call encodes the text, too
    steps = 1 if denoiser.batched else min(4, denoiser.identity.steps)
    spent: dict[int, list[float]] = {batch: [] for batch in batches}
    encodings: list[float] = []
    decodings: list[float] = []
    first = time.perf_counter()
    for repeat in range(repeats + 1):
        for batch in batches:
            began = time.perf_counter()
            trajectories = [
                denoiser.begin(f"a warm-up {repeat} {i}", i, steps) for i in range(batch)
            ]
            encoded = time.perf_counter()
            # a second-order solver calls the network twice a step
            while trajectories[0].step < steps:
                denoiser.advance(trajectories)
            spent[batch].append((time.perf_counter() - encoded) / steps)
            encodings.append((encoded - began) / batch)
        began = time.perf_counter()
        denoiser.decode(trajectories[0])
        decodings.append(time.perf_counter() - began)
        if repeat >= LEAST_REPEATS and time.perf_counter() - first > MEASURE_S * len(batches):
            break
    return StepProfile(
        {batch: _median(times[1:]) for batch, times in spent.items()},
        _median(encodings[len(batches) :]),
        _median(decodings[1:]),
        measured_on,
        spread=max(_spread(times[1:]) for times in spent.values()),
    )


def output_bytes(denoiser: Denoiser, step: int) -> int:
    """Bytes of an output at `step`, as the store counts them, measured on one. Blocks."""
    trajectory = denoiser.begin("a warm-up", 0, step)
    while trajectory.step < step:
        denoiser.advance([trajectory])
    return denoiser.freeze(trajectory, "").nbytes


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _spread(values: list[float]) -> float:
    """From the 10th to the 90th percentile, as a share of the median."""
    last = len(values) - 1
    ordered = sorted(values)
    return (ordered[round(0.9 * last)] - ordered[round(0.1 * last)]) / _median(values)
