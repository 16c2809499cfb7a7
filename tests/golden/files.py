"""Golden files: gzipped JSON with the processor that they were written on."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).with_name("data")


def processor() -> str:
    """What decides the last bits of logarithms and matrix products: the model, and what numpy found
    in it."""
    model = (
        next((line for line in _cpuinfo() if line.startswith("model name")), "unknown")
        .partition(":")[2]
        .strip()
    )
    extensions = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    return f"{model}; {' '.join(extensions)}"


def write(name: str, value: Any) -> None:
    """Write a value; the same value gives the same bytes."""
    text = json.dumps(
        {"processor": processor(), "value": value}, separators=(",", ":"), sort_keys=True
    )
    (FOLDER / f"{name}.json.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def read(name: str) -> tuple[Any, bool]:
    """What was written, and whether it was on a processor like this one."""
    tree = json.loads(gzip.decompress((FOLDER / f"{name}.json.gz").read_bytes()))
    return tree["value"], tree["processor"] == processor()


def _cpuinfo() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []
