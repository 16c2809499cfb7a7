"""`midstep calibrate`: measure a model's step times and an output's bytes here, for paced and
virtual runs."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, replace
from pathlib import Path

from midstep.diffusion.factory import measure, open_denoiser, output_bytes
from midstep.diffusion.pipelines import pick_device
from midstep.errors import OptionError
from midstep.scenario import Scenario

__all__ = ["batch_sizes", "calibrate"]


def batch_sizes(text: str) -> tuple[int, ...]:
    """The batch sizes of `--batches`, ascending, always with 1: the step of one request is what
    every pace is a ratio of. Raises OptionError."""
    sizes = {1}
    for part in text.split(","):
        if not (part.strip().isascii() and part.strip().isdigit() and int(part) > 0):
            raise OptionError(
                f"--batches {text}: {part.strip()!r} is none; give numbers above 0, such as 1,2,4,8"
            )
        sizes.add(int(part))
    return tuple(sorted(sizes))


def calibrate(scenario: Scenario, batches: tuple[int, ...], out: Path | None) -> int:
    """Print the profile, or write it to `out`; the command's exit status. Raises OptionError,
    before anything is measured, where `out` cannot be written."""
    if out is not None:
        _check_writable(out)
    denoiser = open_denoiser(scenario, scenario.edge.threads)
    device = pick_device(scenario.model.device)
    where = f"{platform.machine()}, {device}, {scenario.edge.threads} thread(s)"
    sizes = batches if denoiser.batched else (1,)
    profile = replace(
        measure(denoiser, sizes, repeats=7, measured_on=where),
        frame_bytes=output_bytes(denoiser, scenario.model.split_step),
    )
    if out is None:
        print(json.dumps(asdict(profile), indent=2))
    else:
        profile.save(out)
        print(f"wrote {out}: {profile.step(1) * 1e3:.1f} ms a step of one request")
    return 0


def _check_writable(out: Path) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        fresh = not out.exists()
        out.open("ab").close()
        if fresh:
            out.unlink()
    except OSError as error:
        raise OptionError(f"--out {out} cannot be written: {error.strerror}") from error
