"""The tensors of a frame, to bytes and back: latent, solver state, random state. Never pickle.

What a blob announces is checked against what it has, and against what the pipeline expects, before
a tensor is made.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch

from midstep.diffusion.frame_numbers import SCALE, narrow, widen
from midstep.errors import FrameError, PipelineMismatch

__all__ = ["Payload", "pack", "unpack"]

HEADER_LIMIT = 256 << 10  # bytes; the largest that a solver of diffusers was seen to need has 2 KB
DIMENSIONS = 8
RNG_BYTES = 64 << 10  # torch's on the CPU has 5,056
_ITEM_BYTES = {
    "F64": 8,
    "F32": 4,
    "F16": 2,
    "BF16": 2,
    "I64": 8,
    "I32": 4,
    "I16": 2,
    "I8": 1,
    "U64": 8,
    "U32": 4,
    "U16": 2,
    "U8": 1,
    "BOOL": 1,
}
_FLOATS = {"F64", "F32", "F16", "BF16"}
_WIDE = {
    "float64": torch.float64,
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
LAST = "channels last"
_MARK = "\x00t"  # stands in the JSON where a tensor was


@dataclass(frozen=True)
class Payload:
    """`latent` [1, channels, h, w] or whatever shape the family's transformer takes, `solver` the
    attributes in which a scheduler differs from a fresh one, `rng` the random generator's state
    where a solver draws."""

    latent: torch.Tensor
    solver: dict[str, Any] = field(default_factory=dict)
    rng: torch.Tensor | None = None


def pack(payload: Payload, numbers: str | None = None) -> bytes:
    """Bytes of a payload; `numbers` (float16, int8): the latent, and what the solver keeps of its
    shape, in so few bits. Raises FrameError for a solver attribute that is no tensor, number, text
    or list of them, or for numbers that do not fit."""
    tensors = {"latent": _portable(payload.latent)}
    if payload.rng is not None:
        tensors["rng"] = _portable(payload.rng)
    solver = {name: _flatten(name, value, tensors) for name, value in payload.solver.items()}
    about = {"solver": json.dumps(solver)}
    if _channels_last(payload.latent):
        about["layout"] = LAST
    if numbers is not None:
        about["wide"] = json.dumps(_narrow(tensors, numbers))
    blob: bytes = safetensors.torch.save(tensors, metadata=about)
    return blob


def _narrow(tensors: dict[str, torch.Tensor], numbers: str) -> dict[str, str]:
    """Replace the latent, and tensors of its shape, by narrow ones; what they were, by name."""
    shape = tensors["latent"].shape
    wide = {
        name: str(tensor.dtype).removeprefix("torch.")
        for name, tensor in tensors.items()
        if tensor.shape == shape and tensor.is_floating_point()
    }
    for name in wide:
        tensors.update(narrow(name, tensors[name], numbers))
    return wide


def unpack(blob: bytes, shape: tuple[int, ...] | None = None) -> Payload:
    """The payload in `blob`. Raises FrameError for anything that is not one, PipelineMismatch where
    its latent has not this `shape`."""
    try:
        solver, wide, last = _checked(blob, shape)
        tensors = safetensors.torch.load(blob)
        for name, dtype in wide.items():
            scale = tensors.pop(name + SCALE, None)
            tensors[name] = widen(tensors[name], scale, _WIDE[dtype])
        if last:
            _lay_out(tensors)
        latent = tensors.pop("latent")
        rng = tensors.pop("rng", None)
        return Payload(
            latent, {name: _restore(value, tensors) for name, value in solver.items()}, rng
        )
    except RecursionError as error:
        raise FrameError(
            "the frame's payload cannot be read: its header is nested too deeply"
        ) from error
    except KeyError as error:
        raise FrameError(
            f"the frame's payload cannot be read: {error} is missing or unknown"
        ) from error
    except (safetensors.SafetensorError, ValueError, TypeError, AttributeError) as error:
        raise FrameError(f"the frame's payload cannot be read: {error}") from error


def _checked(
    blob: bytes, shape: tuple[int, ...] | None
) -> tuple[dict[str, Any], dict[str, str], bool]:
    """The solver's attributes in a blob whose header keeps its word, what its narrow tensors were,
    and whether its channels come last in memory. Makes no tensor; raises like unpack."""
    length = int.from_bytes(blob[:8], "little")
    rest = len(blob) - 8
    if not 2 <= length <= min(HEADER_LIMIT, rest):
        raise ValueError(
            f"a header of {length} bytes is announced, {max(0, rest)} follow, {HEADER_LIMIT} are "
            f"allowed"
        )
    header = json.loads(blob[8 : 8 + length], object_pairs_hook=_once)
    about = header.pop("__metadata__")
    solver = json.loads(about["solver"], object_pairs_hook=_once)
    wide = json.loads(about.get("wide", "{}"), object_pairs_hook=_once)
    if odd := [name for name in solver if not name.isidentifier() or name.startswith("__")]:
        raise ValueError(f"no solver has an attribute {odd[0][:40]!r}")
    spans = sorted(_span(name, about) for name, about in header.items())
    ends = [0, *(end for _, end in spans)]
    if [begin for begin, _ in spans] != ends[:-1] or ends[-1] != rest - length:
        raise ValueError(f"tensors of {ends[-1]} bytes are announced, {rest - length} follow")
    latent = header["latent"]
    rng = header.get("rng")
    if latent["dtype"] not in (_FLOATS | {"I8"} if "latent" in wide else _FLOATS):
        raise ValueError(f"the latent is of {latent['dtype']}")
    if rng is not None and (
        rng["dtype"] != "U8" or len(rng["shape"]) != 1 or rng["shape"][0] > RNG_BYTES
    ):
        raise ValueError(f"no random generator has a state {rng['shape']} of {rng['dtype']}")
    if shape is not None and tuple(latent["shape"]) != shape:
        raise PipelineMismatch(
            f"the frame's latent is {tuple(latent['shape'])}, this pipeline's is {shape}"
        )
    return solver, wide, about.get("layout") == LAST


def _channels_last(tensor: torch.Tensor) -> bool:
    """Whether a latent has its channels last in memory, as an autoencoder may leave them. The
    networks' sums are then rounded in another order, so that it has to be so again."""
    last = torch.channels_last
    if tensor.dim() != 4 or tensor.is_contiguous():
        return False
    return bool(tensor.is_contiguous(memory_format=last))


def _lay_out(tensors: dict[str, torch.Tensor]) -> None:
    """Give the latent, and tensors of its shape, channels that come last in memory."""
    shape = tensors["latent"].shape
    for name, tensor in tensors.items():
        if tensor.shape == shape and len(shape) == 4:
            tensors[name] = tensor.contiguous(memory_format=torch.channels_last)


def _span(name: str, about: dict[str, Any]) -> tuple[int, int]:
    """Where a tensor's bytes are, if they are as many as its shape needs."""
    dims = about["shape"]
    item = _ITEM_BYTES[about["dtype"]]
    if len(dims) > DIMENSIONS or not all(type(d) is int and 0 <= d < 1 << 32 for d in dims):
        raise ValueError(f"no tensor has the shape that {name[:40]!r} announces")
    begin, end = about["data_offsets"]
    if type(begin) is not int or type(end) is not int or end - begin != math.prod(dims) * item:
        raise ValueError(
            f"{name[:40]!r} announces {math.prod(dims) * item} bytes as bytes {begin} to {end}"
        )
    return begin, end


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, none of whose names comes twice: readers would differ in which one counts."""
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a name comes twice in the header")
    return values


def _portable(tensor: torch.Tensor) -> torch.Tensor:
    # clone: safetensors refuses shared storage
    return tensor.detach().to("cpu").contiguous().clone()


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
    raise FrameError(
        f"the solver keeps {name} as {type(value).__name__}, which cannot travel in a frame"
    )


def _restore(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, dict):
        return tensors[value[_MARK]]
    if isinstance(value, list):
        return [_restore(item, tensors) for item in value]
    return value
