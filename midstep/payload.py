"""The tensors of a frame, to bytes and back: latent, solver state, random state. Never pickle."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch

from midstep.errors import FrameError

Scalar = None | bool | int | float | str
_MARK = "\x00t"  # stands in the JSON where a tensor was


@dataclass(frozen=True)
class Payload:
    """`latent` [1, channels, h, w] or whatever shape the family's transformer takes, `solver` the attributes
    in which a scheduler differs from a fresh one, `rng` the random generator's state where a solver draws."""

    latent: torch.Tensor
    solver: dict[str, Any] = field(default_factory=dict)
    rng: torch.Tensor | None = None


def pack(payload: Payload) -> bytes:
    """Bytes of a payload. Raises FrameError for a solver attribute that is no tensor, number, text or list of them."""
    tensors = {"latent": _portable(payload.latent)}
    if payload.rng is not None:
        tensors["rng"] = _portable(payload.rng)
    solver = {name: _flatten(name, value, tensors) for name, value in payload.solver.items()}
    blob: bytes = safetensors.torch.save(tensors, metadata={"solver": json.dumps(solver)})
    return blob


def unpack(blob: bytes) -> Payload:
    """The payload in `blob`. Raises FrameError for anything that is not one."""
    try:
        length = int.from_bytes(blob[:8], "little")
        header = json.loads(blob[8 : 8 + length]) if 0 < length <= len(blob) else None
        tensors = safetensors.torch.load(blob)
        solver = json.loads(header["__metadata__"]["solver"]) if header else {}
        latent, rng = tensors.pop("latent"), tensors.pop("rng", None)
        return Payload(latent, {name: _restore(value, tensors) for name, value in solver.items()}, rng)
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FrameError(f"the frame's payload cannot be read: {error}") from error


def _portable(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().to("cpu").contiguous().clone()  # clone: safetensors refuses shared storage


def _flatten(name: str, value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        key = f"solver.{len(tensors)}"
        tensors[key] = _portable(value)
        return {_MARK: key}
    if isinstance(value, (list, tuple)):
        return [_flatten(name, item, tensors) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise FrameError(f"the solver keeps {name} as {type(value).__name__}, which cannot travel in a frame")


def _restore(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, dict):
        return tensors[value[_MARK]]
    if isinstance(value, list):
        return [_restore(item, tensors) for item in value]
    return value
