"""Frames in fewer bits: the latent, and the solver's tensors of its shape, in 16-bit or 8-bit
numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midstep.errors import FrameError

if TYPE_CHECKING:
    import torch

__all__ = ["SCALE", "is_lossy", "narrow", "narrowed_bytes", "widen"]

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "int8": 1}
SCALE = ".scale"  # after a tensor's name: the scale of each of its channels
LARGEST = 127


def is_lossy(frame: str, dtype: str) -> bool:
    """Whether frames of these numbers lose bits of a pipeline that computes in `dtype`."""
    return BYTES[frame] < BYTES[dtype]


def narrowed_bytes(nbytes: int, frame: str, dtype: str) -> int:
    """About how many bytes a frame of `nbytes` then has, at least 1."""
    return max(1, nbytes * min(BYTES[frame], BYTES[dtype]) // BYTES[dtype])


def narrow(name: str, tensor: torch.Tensor, frame: str) -> dict[str, torch.Tensor]:
    """The tensors under which a latent travels: itself in half precision, or in whole numbers of 8
    bits with the scale of each channel beside it. Raises FrameError where a number is none, or too
    large."""
    import torch

    if frame == "float16":
        half = tensor.to(torch.float16)
        if not bool(torch.isfinite(half).all()):
            raise FrameError(
                f"{name} has numbers up to {tensor.abs().max().item():g}, float16 ends at 65504: "
                f"set reuse.frame to float32"
            )
        return {name: half}
    others = [d for d in range(tensor.ndim) if d not in (0, _channels(tensor.ndim))]
    largest = tensor.float().abs().amax(dim=others, keepdim=True)
    if not bool(torch.isfinite(largest).all()):
        raise FrameError(f"{name} has numbers that are none")
    scale = largest.clamp(min=torch.finfo(torch.float32).tiny) / LARGEST
    whole = torch.round(tensor.float() / scale).clamp(-LARGEST, LARGEST).to(torch.int8)
    return {name: whole, name + SCALE: scale}


def widen(tensor: torch.Tensor, scale: torch.Tensor | None, dtype: torch.dtype) -> torch.Tensor:
    """A latent as the pipeline computes it. Raises ValueError for a scale that is not its own."""
    import torch

    if (tensor.dtype == torch.int8) != (scale is not None):
        raise ValueError("8-bit numbers and their scale come together")
    if scale is None:
        if not tensor.is_floating_point():
            raise ValueError(f"no latent is of {tensor.dtype}")
        return tensor.to(dtype)
    fits = scale.ndim == tensor.ndim and all(
        mine in (1, theirs) for mine, theirs in zip(scale.shape, tensor.shape, strict=True)
    )
    if not fits or not bool(torch.isfinite(scale).all()):
        raise ValueError(f"a scale of {tuple(scale.shape)} beside {tuple(tensor.shape)}")
    return (tensor.float() * scale).to(dtype)


def _channels(dimensions: int) -> int:
    """Which dimension counts channels: the last where a transformer's tokens are listed."""
    return dimensions - 1 if dimensions <= 3 else 1
