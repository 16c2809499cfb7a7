"""What frames in fewer bits cost: `python -m benchmarks.frames --pictures 100`.

Each picture is handed over at several steps as it is, in 16-bit and in 8-bit numbers, and finished;
the table has the frames' bytes, and how far the finished pictures are from those of frames as they
are, beside what the metrics count between two pictures that are equal but for rounding.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from midstep.diffusion.denoise import Denoiser, Picture, Trajectory
from midstep.diffusion.factory import open_denoiser
from midstep.reuse.quality import psnr_db, ssim
from midstep.scenario import Scenario
from midstep.scenario_file import load
from midstep.wire.frame import Frame
from midstep.workload.requests import find_catalogue

NUMBERS = ("float32", "float16", "int8")
STEPS = (2, 4, 6, 8, 10, 14, 18)
SEED = 11_000_000  # of pictures: apart from those of tests and tables


@dataclass
class Cell:
    """Values of one step and one kind of numbers."""

    nbytes: list[int] = field(default_factory=list)
    psnr: list[float] = field(default_factory=list)
    ssim: list[float] = field(default_factory=list)

    def row(self) -> str:
        """Its line of the table: mean and least of each metric."""
        psnr = np.array(self.psnr)
        ssims = np.array(self.ssim)
        equal = np.isinf(psnr).mean()
        finite = psnr[np.isfinite(psnr)]
        mean = f"{finite.mean():7.1f}" if finite.size else "      -"
        return (
            f"{np.mean(self.nbytes):8.0f}  {mean}  {psnr.min():7.1f}  {100 * equal:5.0f} %  "
            f"{ssims.mean():.4f}  {ssims.min():.4f}"
        )


def frames(denoiser: Denoiser, prompt: str, seed: int, steps: list[int]) -> dict[str, list[Frame]]:
    """The outputs of one trajectory at `steps`, by the numbers in which they are packed."""
    packed: dict[str, list[Frame]] = defaultdict(list)
    trajectory = denoiser.begin(prompt, seed, steps[-1])
    for step in steps:
        trajectory.until = step
        run(denoiser, trajectory)
        for numbers in NUMBERS:
            denoiser.frame_numbers = numbers
            packed[numbers].append(denoiser.freeze(trajectory, "benchmark"))
    return packed


def run(denoiser: Denoiser, trajectory: Trajectory) -> Trajectory:
    """Advance a trajectory to its `until`."""
    while trajectory.step < trajectory.until:
        denoiser.advance([trajectory])
    return trajectory


def finish(denoiser: Denoiser, prompt: str, packed: list[Frame]) -> list[Picture]:
    """The pictures of frames of one step, each finished alone: batches differ in rounding."""
    whole = denoiser.identity.steps
    return [
        denoiser.decode(run(denoiser, denoiser.resume(frame, prompt, whole, None)))
        for frame in packed
    ]


def measure(scenario: Scenario, pictures: int) -> dict[tuple[int, str], Cell]:
    """All cells, by step and numbers."""
    denoiser = open_denoiser(scenario)
    catalogue = find_catalogue(scenario)
    assert catalogue is not None
    draw = np.random.default_rng(SEED)
    steps = [step for step in STEPS if step < denoiser.identity.steps]
    cells: dict[tuple[int, str], Cell] = defaultdict(Cell)
    for number in range(pictures):
        edge = catalogue.edges[int(draw.integers(len(catalogue.edges)))]
        prompt = catalogue.prompt(
            edge, catalogue.endings[int(draw.integers(len(catalogue.endings)))]
        )
        packed = frames(denoiser, catalogue.prompt(edge), SEED + number, steps)
        for index, step in enumerate(steps):
            of_step = [packed[numbers][index] for numbers in NUMBERS]
            finished = finish(denoiser, prompt, of_step)
            for numbers, frame, picture in zip(NUMBERS, of_step, finished, strict=True):
                cell = cells[step, numbers]
                cell.nbytes.append(frame.nbytes)
                cell.psnr.append(psnr_db(finished[0], picture))
                cell.ssim.append(ssim(finished[0], picture))
    return cells


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenario", default="laptop")
    parser.add_argument("--pictures", type=int, default=100)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    scenario = load(options.scenario, options.set)
    began = time.monotonic()
    cells = measure(scenario, options.pictures)
    spent = time.monotonic() - began
    print(f"{scenario.model.path}, {options.pictures} pictures, {spent:.0f} s; against float32:")
    print("step  numbers      bytes  PSNR dB    least  equal    SSIM    least")
    for (step, numbers), cell in sorted(cells.items(), key=lambda item: item[0][0]):
        if numbers != "float32":
            print(f"{step:4}  {numbers:8}  {cell.row()}")
    wide = np.mean(
        [n for (_, numbers), c in cells.items() if numbers == "float32" for n in c.nbytes]
    )
    print(f"float32: {wide:.0f} bytes")


if __name__ == "__main__":
    main()
