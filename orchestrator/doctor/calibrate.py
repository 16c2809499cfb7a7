"""`midstep calibrate`: measure a model's step times here, for paced and virtual runs."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict
from pathlib import Path

from midstep.diffusion.factory import measure, open_denoiser
from midstep.diffusion.pipelines import pick_device
from midstep.scenario import Scenario


def calibrate(scenario: Scenario, batches: tuple[int, ...], out: Path | None) -> int:
    """Print the profile, or write it to `out`; the command's exit status."""
    denoiser = open_denoiser(scenario, scenario.edge.threads)
    where = f"{platform.machine()}, {pick_device(scenario.model.device)}, {scenario.edge.threads} thread(s)"
    profile = measure(denoiser, batches if denoiser.batched else (1,), repeats=7, measured_on=where)
    if out is None:
        print(json.dumps(asdict(profile), indent=2))
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        profile.save(out)
        print(f"wrote {out}: {profile.step(1) * 1e3:.1f} ms a step of one request")
    return 0
