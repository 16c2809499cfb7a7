"""`midstep calibrate`: measure a model's step times and an output's bytes here, for paced and
virtual runs."""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import asdict, replace
from pathlib import Path

from midstep.diffusion.factory import LEAST_REPEATS, measure, open_denoiser, output_bytes
from midstep.diffusion.pipelines import pick_device
from midstep.diffusion.profile import BUSY
from midstep.errors import EXIT_MISSED, OptionError
from midstep.scenario import Scenario
from orchestrator.doctor.quiet import LoadWatch

__all__ = ["batch_sizes", "calibrate"]

REPEATS = 15  # of each batch size


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


def calibrate(
    scenario: Scenario, batches: tuple[int, ...], out: Path | None, force: bool = False
) -> int:
    """Print the profile, or write it to `out`; the command's exit status. Raises OptionError,
    before anything is measured, where `out` cannot be written.

    On a machine that was busy meanwhile it says so and leaves no profile, status 1, unless
    `force`: a profile is what other machines are held to.
    """
    if out is not None:
        _check_writable(out)
    denoiser = open_denoiser(scenario, scenario.edge.threads)
    device = pick_device(scenario.model.device)
    where = f"{platform.machine()}, {device}, {scenario.edge.threads} thread(s)"
    sizes = batches if denoiser.batched else (1,)
    measure(denoiser, repeats=LEAST_REPEATS)  # what is loaded at a first step is not computing
    watch = LoadWatch()
    profile = measure(denoiser, sizes, REPEATS, measured_on=where)
    quiet = watch.end(profile.spread, device == "cpu" and scenario.edge.threads == 1)
    step = f"{profile.step(1) * 1e3:.1f} ms a step of one request, spread {profile.spread:.0%}"
    doubts = "; ".join(quiet.doubts())
    if doubts:
        text = f"this machine was busy while it was measured ({doubts}): {step}"
        if not force:
            print(
                f"midstep: {text}; no profile is written: stop what else runs and measure again, "
                f"or --force",
                file=sys.stderr,
            )
            return EXIT_MISSED
        print(f"midstep: {text}", file=sys.stderr)
    profile = replace(
        profile,
        measured_on=f"{where}{BUSY}" if doubts else where,
        frame_bytes=output_bytes(denoiser, scenario.model.split_step),
        model=scenario.model.path,
    )
    if out is None:
        print(json.dumps(asdict(profile), indent=2))
    else:
        profile.save(out)
        print(f"wrote {out}: {step}")
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
