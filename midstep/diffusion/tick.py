"""The work of one tick of the engine: the computing, in the denoiser's thread, and the account of
it, in the event loop."""

from __future__ import annotations

from midstep.clock import Clock
from midstep.diffusion.denoise import Denoiser
from midstep.diffusion.job import JobEntry

__all__ = ["account", "compute"]


def compute(
    denoiser: Denoiser, stopwatch: Clock | None, entering: list[JobEntry], batch: list[JobEntry]
) -> tuple[float, int]:
    """Begin those that enter, advance the batch, finish those that are at their end: seconds in the
    denoiser's advance by the `stopwatch`, 0 without one, and, of a denoiser that does not batch,
    the steps by which all trajectories advanced."""
    for entry in entering:
        # a job that fails leaves alone; the others in the batch go on
        try:
            entry.trajectory = entry.job.begin()
        except Exception as error:
            entry.error = error
    moving = [
        trajectory
        for entry in batch
        if (trajectory := entry.trajectory) is not None and trajectory.step < trajectory.until
    ]
    before = 0 if denoiser.batched else sum(trajectory.step for trajectory in moving)
    began = 0.0 if stopwatch is None else stopwatch.now()
    if moving:
        try:
            denoiser.advance(moving)
        except Exception as error:
            for entry in batch:
                entry.error = entry.error or error
    spent = 0.0 if stopwatch is None else stopwatch.now() - began
    for entry in batch:
        trajectory = entry.trajectory
        if trajectory is None or trajectory.step < trajectory.until:
            continue
        if entry.on_the_way is None and entry.error is None:
            try:
                entry.value = entry.job.finish(trajectory)
            except Exception as error:
                entry.error = error
    after = 0 if denoiser.batched else sum(trajectory.step for trajectory in moving)
    return spent, after - before


def account(batch: list[JobEntry]) -> tuple[list[JobEntry], int]:
    """Tell the jobs which steps a tick has computed, and settle those that have ended: the rest,
    and how many steps."""
    rest: list[JobEntry] = []
    steps = 0
    for entry in batch:
        trajectory = entry.trajectory
        if trajectory is not None and entry.error is None:
            step = trajectory.step
            new = step - trajectory.ended
            if new:  # not within a step: some solvers take two calls for one
                steps += new
                trajectory.ended = step
                on_the_way = entry.on_the_way
                if on_the_way is not None and step in on_the_way.stops:
                    on_the_way.reached(step)
            # it may have been moved in this very tick, either way
            if step < trajectory.until:
                rest.append(entry)
                continue
        entry.settle()
    return rest, steps
