"""Frames in fewer bits: what comes back is near, smaller, and never mistaken for something else."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from midstep.diffusion.frame_numbers import is_lossy, narrow, widen
from midstep.diffusion.payload import Payload, pack, unpack
from midstep.errors import FrameError
from tests.midstep.diffusion import cuts


def payload(shape: tuple[int, ...] = (1, 4, 16, 16)) -> Payload:
    latent = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    latent = latent * torch.tensor([0.01, 1.0, 30.0, 0.0])[None, :, None, None]
    outputs = [None, latent.double() * 2, torch.arange(3.0)]
    return Payload(latent, {"model_outputs": outputs}, torch.Generator().get_state())


@pytest.mark.parametrize(("numbers", "error"), [("float16", 5e-4), ("int8", 0.5 / 127 * 1.01)])
def test_what_comes_back_is_as_near_as_the_bits_allow(numbers: str, error: float) -> None:
    wide = payload()
    blob = pack(wide, numbers)
    narrow_bytes = len(blob) - len(pack(Payload(torch.zeros(0)))) - len(wide.rng)  # type: ignore[arg-type]
    assert narrow_bytes < (0.4 if numbers == "float16" else 0.25) * 12 * wide.latent.numel()
    back = unpack(blob, (1, 4, 16, 16))
    for before, after in [
        (wide.latent, back.latent),
        (wide.solver["model_outputs"][1], back.solver["model_outputs"][1]),
    ]:
        assert after.dtype == before.dtype
        # of each channel alone: a large one costs the small ones nothing
        largest = before.abs().amax(dim=(0, 2, 3), keepdim=True)
        assert bool(((before - after).abs() <= error * largest + 1e-9).all())
    assert torch.equal(back.solver["model_outputs"][2], torch.arange(3.0))
    assert torch.equal(back.rng, wide.rng)  # type: ignore[arg-type]


def test_numbers_that_do_not_fit_are_refused_in_one_line() -> None:
    with pytest.raises(FrameError, match=r"latent has numbers up to 1e\+06, float16 ends at 65504"):
        pack(Payload(torch.full((1, 4, 8, 8), 1e6)), "float16")
    with pytest.raises(FrameError, match="numbers that are none"):
        pack(Payload(torch.full((1, 4, 8, 8), torch.nan)), "int8")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'\\"latent\\": \\"float32\\"', b'\\"rng\\":    \\"float32\\"'),
        (b'\\"latent\\": \\"float32\\"', b'\\"latent\\": \\"float99\\"'),
        (b'"wide"', b'"wild"'),
        (b'"latent.scale"', b'"latent.scala"'),
        (b"[1,4,1,1]", b"[4,1,1,1]"),
        (b"[1,4,1,1]", b"[1,1,1,4]"),
    ],
)
def test_narrow_frames_that_contradict_themselves_are_refused(old: bytes, new: bytes) -> None:
    blob = pack(Payload(payload().latent, {}, torch.Generator().get_state()), "int8")
    assert old in blob and len(old) == len(new)
    with pytest.raises(FrameError):
        unpack(blob.replace(old, new))


def test_tokens_have_their_channels_last() -> None:
    tokens = torch.randn(1, 64, 16) * torch.logspace(-3, 3, 16)
    tensors = narrow("latent", tokens, "int8")
    assert tensors["latent.scale"].shape == (1, 1, 16)
    back = widen(tensors["latent"], tensors["latent.scale"], torch.float32)
    assert bool(((back - tokens).abs() <= 0.51 / 127 * tokens.abs().amax(dim=1)).all())


def test_no_frame_gains_bits() -> None:
    assert is_lossy("float16", "float32") and is_lossy("int8", "bfloat16")
    assert not is_lossy("float16", "bfloat16") and not is_lossy("float32", "float16")


@pytest.mark.parametrize("family", [("sd", "dpm++2m", "batched"), ("sd3", "default", "windowed")])
def test_a_device_finishes_a_narrow_frame_to_nearly_the_same_picture(
    family: tuple[str, str, str],
) -> None:
    denoiser = cuts.opened(*family)
    cut = cuts.Cut(*family, step=6)
    pictures = {}
    sizes = {}
    try:
        for numbers in ("float32", "float16", "int8"):
            trajectory = cuts.run(denoiser, denoiser.begin(cuts.PROMPT, 3, 6))
            denoiser.frame_numbers = numbers
            frame = denoiser.freeze(trajectory, "key")
            pictures[numbers] = cuts.finish(denoiser, frame, cut).astype(float)
            sizes[numbers] = frame.nbytes
    finally:
        denoiser.frame_numbers = "float32"
    whole = pictures["float32"]
    assert np.abs(whole - pictures["float16"]).mean() < 0.5
    assert np.abs(whole - pictures["int8"]).mean() < 4
    assert sizes["int8"] < sizes["float16"] < sizes["float32"]


def test_frames_as_they_are_say_nothing_of_it() -> None:
    blob = pack(payload())
    header = json.loads(blob[8 : 8 + int.from_bytes(blob[:8], "little")])
    assert set(header["__metadata__"]) == {"solver"}
