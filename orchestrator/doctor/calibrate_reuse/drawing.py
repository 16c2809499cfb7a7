"""Draws a calibration's pictures: shared outputs at many steps, each finished for a user's own
prompt, and the pictures without reuse."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from midstep.diffusion.denoise import Denoiser, Picture, Trajectory, Variation
from midstep.reuse.quality import psnr_db
from midstep.wire.frame import Frame
from orchestrator.doctor.calibrate_reuse.pairs import Pair

__all__ = ["AGAINST_LAST", "BATCH", "STEP_BY_STEP", "Drawing", "Job"]

BATCH = 32  # trajectories that are advanced together on a CPU
GPU_BATCH = 128
STEP_BY_STEP = "step by step"
AGAINST_LAST = "against the last"


@dataclass(frozen=True)
class Job:
    """A trajectory to be run through `stops`, ascending; `at` is called at each of them."""

    start: Callable[[int], Trajectory]  # until where it runs first
    stops: Sequence[int]
    at: Callable[[Trajectory], None]


class Drawing:
    """Pictures of pairs on one denoiser. `steps` counts the network's steps so far, one a picture,
    for estimates."""

    def __init__(self, denoiser: Denoiser, batch: int | None = None) -> None:
        self._denoiser = denoiser
        self._batch = _batch(denoiser) if batch is None else batch
        self._whole = denoiser.identity.steps
        self.steps = 0

    def shared(
        self, pairs: Sequence[Pair], steps: Sequence[int], with_curves: Sequence[int]
    ) -> tuple[dict[int, dict[int, Frame]], dict[int, dict[str, list[float]]]]:
        """Outputs of the pairs' core prompts, pair number -> step -> frame; and of the numbers in
        `with_curves` the PSNR of (1), (2) after each step."""
        frames: dict[int, dict[int, Frame]] = {pair.number: {} for pair in pairs}
        pictures: dict[int, list[Picture]] = {number: [] for number in with_curves}
        jobs = []
        for pair in pairs:
            stops = range(1, self._whole + 1) if pair.number in pictures else steps
            jobs.append(self._core(pair, stops, frames[pair.number], pictures.get(pair.number)))
        self.run(jobs)
        return frames, {number: _curves(of) for number, of in pictures.items()}

    def finished(
        self, wishes: Mapping[tuple[str, int, int], tuple[Pair, Frame | None]]
    ) -> dict[tuple[str, int, int], Picture]:
        """The pictures that users get: from their frame on, or where there is none from noise."""
        pictures: dict[tuple[str, int, int], Picture] = {}

        def job(place: tuple[str, int, int], pair: Pair, frame: Frame | None) -> Job:
            def start(until: int) -> Trajectory:
                if frame is None:
                    return self._denoiser.begin(pair.prompt, pair.seed, until)
                seed = pair.variation_seed
                variation = None if seed is None else Variation(seed)
                return self._denoiser.resume(frame, pair.prompt, until, variation)

            def at(trajectory: Trajectory) -> None:
                pictures[place] = self._denoiser.decode(trajectory)

            return Job(start, [self._whole], at)

        self.run(job(place, *wish) for place, wish in wishes.items())
        return pictures

    def run(self, jobs: Iterable[Job]) -> None:
        """Advance all jobs, as many together as a batch holds; another starts when one ends."""
        left = iter(jobs)
        flight: list[tuple[Trajectory, Job, list[int]]] = []
        while True:
            while len(flight) < self._batch and (job := next(left, None)) is not None:
                flight.append((job.start(job.stops[0]), job, [*job.stops]))
            if not flight:
                return
            before = sum(trajectory.step for trajectory, _, _ in flight)
            self._denoiser.advance([trajectory for trajectory, _, _ in flight])
            self.steps += sum(trajectory.step for trajectory, _, _ in flight) - before
            going = []
            for trajectory, job, stops in flight:
                if trajectory.step >= stops[0]:
                    job.at(trajectory)
                    stops.pop(0)
                if stops:
                    trajectory.until = stops[0]
                    going.append((trajectory, job, stops))
            flight = going

    def _core(
        self,
        pair: Pair,
        stops: Sequence[int],
        frames: dict[int, Frame],
        pictures: list[Picture] | None,
    ) -> Job:
        def at(trajectory: Trajectory) -> None:
            if trajectory.step < self._whole:
                frames[trajectory.step] = self._denoiser.freeze(trajectory, pair.core)
            if pictures is not None:
                pictures.append(self._denoiser.decode(trajectory))

        return Job(lambda until: self._denoiser.begin(pair.core, pair.seed, until), stops, at)


def _batch(denoiser: Denoiser) -> int:
    """How many trajectories keep the denoiser's device busy."""
    device = getattr(denoiser, "device", None)
    return BATCH if device is None or device.type == "cpu" else GPU_BATCH


def _curves(pictures: Sequence[Picture]) -> dict[str, list[float]]:
    """PSNR of each picture against the one before, from step 2 on, and against the last."""
    return {
        STEP_BY_STEP: [psnr_db(after, before) for before, after in pairwise(pictures)],
        AGAINST_LAST: [psnr_db(picture, pictures[-1]) for picture in pictures[:-1]],
    }
