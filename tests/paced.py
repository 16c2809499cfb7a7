"""A small world without tensors: a paced denoiser and a scenario in virtual time."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from midstep.diffusion.paced import PacedDenoiser
from midstep.diffusion.profile import StepProfile
from midstep.wire.identity import PipelineIdentity

PROFILE = StepProfile({1: 0.010, 2: 0.012, 4: 0.016, 8: 0.024}, encode_s=0.002, decode_s=0.005)


def profile_file() -> str:
    """PROFILE as a file."""
    path = Path(tempfile.gettempdir()) / "midstep-test-profile.json"
    fresh = path.with_name(f"{path.stem}-{os.getpid()}.json")
    PROFILE.save(fresh)
    os.replace(fresh, path)  # at once: tests run in two processes
    return str(path)


TREE: dict[str, Any] = {
    "name": "paced",
    "duration_s": 30,
    "model": {"profile": profile_file()},
    "edges": [{"capacity": "64KiB", "staging": "256KiB"}],
    "devices": [{"class": "phone", "count": 4}],
    "hosts": {"devices_per_host": 2},
    "workload": {"catalogue_size": 20},
    "modes": {"clock": "virtual", "denoiser": "paced", "wire": "inprocess"},
    "report": {"references": 0},
}


def tree(**changes: Any) -> dict[str, Any]:
    """A copy of TREE with some top-level keys changed."""
    copied: dict[str, Any] = json.loads(json.dumps(TREE))
    copied.update(changes)
    return copied


def identity(**changes: Any) -> PipelineIdentity:
    """A pipeline of 10 steps."""
    fields = dict(
        model="m",
        revision="r",
        scheduler="DDIM",
        scheduler_config="c",
        steps=10,
        guidance=3.0,
        height=64,
        width=64,
        dtype="float32",
    )
    return PipelineIdentity(**{**fields, **changes})


def denoiser(frame_bytes: int = 1000, **changes: Any) -> PacedDenoiser:
    """A paced denoiser of that pipeline."""
    return PacedDenoiser(identity(**changes), replace(PROFILE, frame_bytes=frame_bytes))
