"""A start picture's trajectory, cut and resumed from its frame, ends in the stock image-to-image
pipeline's picture, bit for bit."""

from __future__ import annotations

import copy
import io
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from midstep.diffusion.factory import open_denoiser
from midstep.diffusion.image_to_image import open_image_to_image
from midstep.errors import PromptError
from midstep.reuse.render import Spec, render
from midstep.scenario_file import load
from midstep.wire.start import Start, first_step
from midstep.workload.requests import find_catalogue
from tests import tiny
from tests.midstep.diffusion.cuts import GUIDANCE, PROMPT, STEPS, Cut, finish, opened, run

SEED = 11
STRENGTH = 0.6
FIRST = 4  # of 10 steps the last 6 are left
CASES = [
    ("sd", "ddim", "batched"),
    ("sd", "dpm++2m", "batched"),
    ("sd", "euler-a", "batched"),
    ("sd", "euler-a", "windowed"),
    ("sdxl", "dpm++2m", "batched"),
    ("sd3", "default", "windowed"),
    ("flux", "default", "windowed"),
]


def png(seed: int = 3) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (tiny.PIXELS, tiny.PIXELS, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def stock(family: str, scheduler: str, kind: str, strength: float) -> np.ndarray[Any, Any]:
    pipe = opened(family, scheduler, kind).pipe  # type: ignore[attr-defined]
    whole = open_image_to_image(pipe)
    whole.scheduler = copy.deepcopy(pipe.scheduler)
    image = whole(
        PROMPT,
        image=Image.open(io.BytesIO(png())),
        strength=strength,
        num_inference_steps=STEPS,
        guidance_scale=GUIDANCE,
        generator=torch.Generator().manual_seed(SEED),
        **({"height": 32, "width": 32} if family == "flux" else {}),
    ).images[0]
    return np.asarray(image)


@pytest.mark.parametrize(("family", "scheduler", "kind"), CASES)
def test_a_cut_picture_is_the_stock_image_to_image_pipelines(
    family: str, scheduler: str, kind: str
) -> None:
    d = opened(family, scheduler, kind)
    expected = stock(family, scheduler, kind, STRENGTH)
    start = Start(png=png(), strength=STRENGTH)
    for step in (FIRST + 1, STEPS - 1):
        cut = Cut(family, scheduler, kind, step)
        trajectory = d.begin(PROMPT, SEED, step, start=start)
        assert trajectory.step == FIRST == first_step(STEPS, STRENGTH)
        frame = d.freeze(run(d, trajectory), "key")
        assert frame.step == step
        assert np.array_equal(finish(d, frame, cut), expected)
    other = d.begin(PROMPT, SEED, STEPS, start=Start(png=png(4), strength=STRENGTH))
    assert not np.array_equal(d.decode(run(d, other)), expected)


@pytest.mark.parametrize("strength", [0.1, 0.29, 1.0])
def test_a_strength_leaves_as_many_steps_as_in_the_stock_pipeline(strength: float) -> None:
    d = opened("sd", "ddim", "batched")
    whole = d.begin(PROMPT, SEED, STEPS, start=Start(png=png(), strength=strength))
    assert STEPS - whole.step == int(STEPS * strength)
    assert np.array_equal(d.decode(run(d, whole)), stock("sd", "ddim", "batched", strength))


def test_what_is_no_start_is_refused_in_a_line() -> None:
    for start, words in (
        (Start(png=b"no picture", strength=0.5), "is no PNG"),
        (Start(png=png()[:200], strength=0.5), "is no PNG"),
        (Start(png=png(), strength=0.0), "give one above 0"),
        (Start(png=png(), strength=float("nan")), "give one above 0"),
        (Start(png=png(), strength=0.05), "leaves none of 10 steps: give 0.1"),
        (Start(png=bytes(4 << 20), strength=0.5), "the limit is"),
    ):
        with pytest.raises(PromptError, match=words):
            start.check(STEPS, tiny.PIXELS, tiny.PIXELS)
    with pytest.raises(PromptError, match="is 32 x 32 pixels, this pipeline draws 64 x 64"):
        Start(png=png(), strength=0.5).check(STEPS, 64, 64)
    with pytest.raises(PromptError, match="takes no start picture"):
        opened("pixart", "default", "windowed").begin(
            PROMPT, SEED, STEPS, start=Start(png=png(), strength=0.5)
        )


def test_equal_pixels_are_one_start_however_they_are_packed() -> None:
    pixels = Start(png=png(), strength=0.5).pixels
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=0)
    again = Start(png=buffer.getvalue(), strength=0.5)
    assert again.png != png()
    assert again.key == Start(png=png(), strength=0.5).key
    assert again.key != Start(png=png(4), strength=0.5).key
    assert again.key != Start(png=png(), strength=0.6).key


def test_the_shipped_model_does_as_its_stock_pipeline() -> None:
    d = open_denoiser(load("laptop"))
    of = find_catalogue(load("laptop"))
    pixels = render(of, Spec(of.edges[1]), 3)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    start = Start(png=buffer.getvalue(), strength=STRENGTH)
    whole = open_image_to_image(d.pipe)  # type: ignore[attr-defined]
    whole.scheduler = copy.deepcopy(whole.scheduler)
    image = whole(
        PROMPT,
        image=Image.fromarray(pixels),
        strength=STRENGTH,
        num_inference_steps=d.identity.steps,
        guidance_scale=d.identity.guidance,
        generator=torch.Generator().manual_seed(SEED),
    ).images[0]
    frame = d.freeze(run(d, d.begin(PROMPT, SEED, 12, start=start)), "key")
    rest = d.resume(frame, PROMPT, d.identity.steps, None)
    assert np.array_equal(d.decode(run(d, rest)), np.asarray(image))
