"""A learner's state as bytes and back: arrays as safetensors, everything else as JSON in its
header, with a checksum over both. Never pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from midstep.errors import OptionError

__all__ = ["of_run", "pack", "unpack"]

FORMAT = 2  # 1 had no checksum
# marks of types that JSON does not have
_ARRAY = "\x00array"
_TENSOR = "\x00tensor"
_TUPLE = "\x00tuple"
_PAIRS = "\x00pairs"


def pack(tree: Mapping[str, Any]) -> bytes:
    """A tree of dicts, lists, tuples, numbers, texts, None, numpy arrays and torch tensors as one
    safetensors blob.

    Raises ValueError that names the first value of another kind.
    """
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    flat = json.dumps(_flat(tree, "", arrays))
    text = json.dumps({"format": FORMAT, "sha256": _checksum(flat, arrays), "tree": flat})
    # a single metadata entry: safetensors does not keep the order of several
    blob: bytes = safetensors.numpy.save(arrays, metadata={"state": text})
    return blob


def unpack(blob: bytes) -> dict[str, Any]:
    """Restore what `pack` packed, in fresh arrays. Loads torch only where it holds a tensor.
    Raises ValueError, also where a single bit is not as it was packed."""
    try:
        length = int.from_bytes(blob[:8], "little")
        header = json.loads(blob[8 : 8 + length]) if length <= len(blob) else {}
        state = json.loads(header["__metadata__"]["state"])
        if state["format"] != FORMAT:
            raise ValueError(f"its format is {state['format']}, this version reads {FORMAT}")
        arrays = safetensors.numpy.load(blob)
        if _checksum(state["tree"], arrays) != state["sha256"]:
            raise ValueError("it is damaged: its checksum differs")
        tree: dict[str, Any] = _restored(json.loads(state["tree"]), arrays)
        return tree
    except (
        safetensors.SafetensorError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        raise ValueError(f"it is damaged: {error!r}") from error


def of_run(folder: Path, setting: Mapping[str, Any], name: str = "learner.ckpt") -> bytes:
    """The state that a run left in its folder, for a run of `setting`
    (orchestrator.live.setting).

    Raises OptionError, one line: none there, damaged, or of a run whose setting differs.
    """
    path = folder / name
    try:
        blob = path.read_bytes()
        earlier = unpack(blob)["setting"]
    except OSError as error:
        raise OptionError(
            f"--resume {folder}: no learner's state is in there (no {name})"
        ) from error
    except (ValueError, KeyError) as error:
        raise OptionError(f"--resume {folder}: {name} cannot be read: {error}") from error
    if not isinstance(earlier, dict):
        raise OptionError(f"--resume {folder}: {name} says nothing of its run's setting")
    for key in setting:
        if earlier.get(key) != setting[key]:
            raise OptionError(
                f"--resume {folder}: {key} was {earlier.get(key)!r} there and is {setting[key]!r} "
                f"here; what was learnt does not fit"
            )
    return blob


def _checksum(text: str, arrays: Mapping[str, np.ndarray[Any, Any]]) -> str:
    """SHA-256 of the tree's text and of each array: its name, type, shape and bytes."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass"))
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"|{name}|{array.dtype.str}|{array.shape}|".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _flat(value: Any, at: str, arrays: dict[str, np.ndarray[Any, Any]]) -> Any:
    """JSON for a value, its arrays put aside. `at` is where it stands, for the error."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return _flat(value.item(), at, arrays)
    if isinstance(value, Mapping):
        if all(isinstance(key, str) and key[:1] != "\x00" for key in value):
            return {key: _flat(item, f"{at}.{key}", arrays) for key, item in value.items()}
        return {
            _PAIRS: [
                [_flat(k, at, arrays), _flat(v, f"{at}.{k}", arrays)] for k, v in value.items()
            ]
        }
    if isinstance(value, (list, tuple)):
        items = [_flat(item, f"{at}.{i}", arrays) for i, item in enumerate(value)]
        return items if isinstance(value, list) else {_TUPLE: items}
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return {_ARRAY: _aside(value, arrays)}
    if type(value).__module__.partition(".")[0] == "torch" and hasattr(value, "detach"):
        name = str(value.dtype).removeprefix("torch.")
        tensor = value.detach().cpu().contiguous()
        if name == "bfloat16":  # numpy has none: its bits travel as integers
            tensor = tensor.view(_torch().int16)
        return {_TENSOR: [_aside(tensor.numpy(), arrays), name]}
    raise ValueError(
        f"{at.lstrip('.')} is a {type(value).__qualname__}, which a checkpoint cannot hold"
    )


def _aside(value: np.ndarray[Any, Any], arrays: dict[str, np.ndarray[Any, Any]]) -> str:
    name = str(len(arrays))
    # contiguous, and a copy: training changes the original
    arrays[name] = np.array(value, dtype=value.dtype.newbyteorder("="), order="C")
    return name


def _restored(value: Any, arrays: Mapping[str, np.ndarray[Any, Any]]) -> Any:
    if isinstance(value, list):
        return [_restored(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    if _ARRAY in value:
        return arrays[value[_ARRAY]].copy()
    if _TENSOR in value:
        name, dtype = value[_TENSOR]
        tensor = _torch().from_numpy(arrays[name].copy())
        return tensor.view(_torch().bfloat16) if dtype == "bfloat16" else tensor
    if _TUPLE in value:
        return tuple(_restored(value[_TUPLE], arrays))
    if _PAIRS in value:
        return dict(_pairs(value[_PAIRS], arrays))
    return {key: _restored(item, arrays) for key, item in value.items()}


def _pairs(
    pairs: list[Any], arrays: Mapping[str, np.ndarray[Any, Any]]
) -> Iterator[tuple[Any, Any]]:
    for key, item in pairs:
        yield _restored(key, arrays), _restored(item, arrays)


def _torch() -> Any:
    import torch

    return torch
