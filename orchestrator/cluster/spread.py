"""Calls that leave a folder of files, spread over a Ray cluster: each is made on whatever node has
a core free, and its files come back to whoever asked."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import ray
import ray.exceptions

from midstep.errors import PartDied, ScenarioError
from orchestrator.cluster.head import check_reachable
from orchestrator.live.signals import own_handlers

__all__ = ["pack", "spread", "unpack"]

T = TypeVar("T")
Call = Callable[[Path], T]


def spread(
    calls: Sequence[tuple[Call[T], Path]], address: str
) -> Iterator[tuple[int, T | Exception]]:
    """Make every call with a folder of its own on the Ray at `address`; yields its number and what
    it returned as they end, once its files are in the path beside it. What a call raises, or that
    its node died, is yielded as an exception. Raises AddressError, ScenarioError."""
    check_reachable(address)
    try:
        with own_handlers():  # Ray's of SIGTERM ends at once, without a word
            ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except Exception as error:
        reason = (str(error) or repr(error)).splitlines()[0]
        raise ScenarioError(f"Ray cannot be joined at {address}: {reason}") from error
    try:
        remote: Any = ray.remote(num_cpus=1, max_retries=0, scheduling_strategy="SPREAD")(_carried)
        numbers = {remote.remote(call): n for n, (call, _) in enumerate(calls)}
        while numbers:
            ready, _ = ray.wait(list(numbers), num_returns=1)
            number = numbers.pop(ready[0])
            try:
                result, files = ray.get(ready[0])
                unpack(files, calls[number][1])
            except ray.exceptions.RayTaskError as error:
                yield number, error.cause if isinstance(error.cause, Exception) else error
            except ray.exceptions.RayError as error:
                yield number, PartDied(f"its node or process died: {type(error).__name__}")
            except OSError as error:
                yield number, error
            else:
                yield number, result
    finally:
        ray.shutdown()


def pack(folder: Path) -> dict[str, bytes]:
    """All files below a folder, by their path in it."""
    if not folder.is_dir():
        return {}
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def unpack(files: Mapping[str, bytes], folder: Path) -> None:
    """Make a folder of these files; a reader sees the whole folder or none. Raises PartDied for a
    name that leads out of it, OSError."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = folder.with_name(f".{folder.name}.arriving")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    for name, content in files.items():
        path = unfinished / name
        if ".." in Path(name).parts or Path(name).is_absolute():
            raise PartDied(f"a file that came back is called {name[:60]!r}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    os.replace(unfinished, folder)


def _carried(call: Call[T]) -> tuple[T, dict[str, bytes]]:
    """Make a call on a node, and carry back what it returned and its files."""
    with tempfile.TemporaryDirectory(prefix="midstep-") as scratch:
        folder = Path(scratch) / "point"
        return call(folder), pack(folder)
