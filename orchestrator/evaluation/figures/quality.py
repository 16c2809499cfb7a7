"""Fig. 7: PSNR (1), (2) of what the shipped model has drawn after each denoising step; measured on
the model itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from midstep.diffusion.denoise import Denoiser, Picture
from midstep.radio import physics
from orchestrator.evaluation.figures.values import Effort, Values

__all__ = ["CONSECUTIVE", "FINAL", "MODEL", "play"]

CONSECUTIVE = "step by step"
FINAL = "against the last"
BATCH = 8
MODEL = "midstep-emoji"


def play(effort: Effort, progress: Callable[[float], None] | None = None) -> Values:
    """One value a prompt, the most popular `effort.pictures` of the catalogue: PSNR in dB of the
    picture after step m against that after step m - 1, as (1) is printed, and against the finished
    one, as the text says."""
    from midstep.diffusion.factory import open_denoiser
    from midstep.scenario_file import parse, read
    from midstep.workload.requests import find_catalogue

    began = time.perf_counter()
    scenario = parse(read(None), [f"model.path={MODEL}"], "laptop")
    denoiser = open_denoiser(scenario)
    prompts = find_catalogue(scenario).edge_prompts[: effort.pictures]
    rows: list[tuple[list[float], list[float]]] = []
    for start in range(0, len(prompts), BATCH):
        for pictures in _draw(denoiser, prompts[start : start + BATCH], start):
            rows.append(_psnr(pictures))
            if progress is not None:
                progress(1 / len(prompts))
    steps = denoiser.identity.steps
    values = Values("fig7", len(prompts), steps, [float(m) for m in range(1, steps + 1)])
    for m in range(steps):
        values.points.append(
            {
                CONSECUTIVE: {"psnr_db": [row[0][m] for row in rows]},
                FINAL: {"psnr_db": [row[1][m] for row in rows]},
            }
        )
    values.wall_s = time.perf_counter() - began
    return values


def _draw(denoiser: Denoiser, prompts: Sequence[str], seed: int) -> list[list[Picture]]:
    """Each prompt's picture from the initial noise and after every step."""
    steps = denoiser.identity.steps
    going = [denoiser.begin(prompt, seed + i, steps) for i, prompt in enumerate(prompts)]
    pictures_of = [[denoiser.decode(one)] for one in going]
    while going[0].step < steps:
        before = going[0].step
        denoiser.advance(going)
        for pictures, one in zip(pictures_of, going, strict=True):
            pictures.extend([denoiser.decode(one)] * (one.step - before))
    return pictures_of


def _psnr(pictures: Sequence[Picture]) -> tuple[list[float], list[float]]:
    """Against the picture one step before, and against the last one: nan there, where it is
    compared with itself."""
    after = range(1, len(pictures))
    last = [physics.psnr_db(pictures[m], pictures[-1]) for m in after]
    return [physics.psnr_db(pictures[m], pictures[m - 1]) for m in after], [
        *last[:-1],
        float(np.nan),
    ]
