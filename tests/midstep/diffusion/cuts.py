"""What the cut is tested on, and the second process: `python -m tests.midstep.diffusion.cuts
FOLDER` finishes FOLDER's."""

from __future__ import annotations

import functools
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from midstep.diffusion.denoise import Denoiser, Variation
from midstep.wire.frame import Frame
from tests import tiny

STEPS = 10
GUIDANCE = 3.0
PROMPT = "a panda on a beach"
CASES = [
    ("sd", "ddim"),
    ("sd", "dpm++2m"),
    ("sd", "euler"),
    ("sd", "euler-a"),
    ("sdxl", "euler"),
    ("sdxl", "dpm++2m"),
    ("pixart", "default"),
    ("sd3", "default"),
    ("flux", "default"),
]


KINDS = [
    (f, s, k)
    for f, s in CASES
    for k in (("batched", "windowed") if f in ("sd", "sdxl") else ("windowed",))
]


@dataclass(frozen=True)
class Cut:
    """One frame to finish: whose it is, how it is to be finished, and where it lies."""

    family: str
    scheduler: str
    kind: str  # batched or windowed
    step: int
    prompt: str = PROMPT
    variation: int | None = None
    negative: str = ""

    @property
    def name(self) -> str:
        prompt = self.prompt[:9].replace(" ", "_")
        solver = f"{self.family}-{self.scheduler}-{self.kind}"
        return f"{solver}-{self.step}-{prompt}-{self.variation}{self.negative and '-negative'}"


def denoiser(folder: Path, scheduler: str, kind: str) -> Denoiser:
    """The denoiser of a tiny pipeline, batched or windowed."""
    import torch

    from midstep.diffusion.batched import BatchedDenoiser
    from midstep.diffusion.pipelines import identify, load
    from midstep.diffusion.windowed import WindowedDenoiser

    torch.set_num_threads(1)
    pipe = load(str(folder), "float32", "cpu", scheduler)
    identity = identify(pipe, str(folder), STEPS, GUIDANCE, 32, 32, "float32")
    return (
        BatchedDenoiser(pipe, identity) if kind == "batched" else WindowedDenoiser(pipe, identity)
    )


@functools.cache
def opened(family: str, scheduler: str, kind: str) -> Denoiser:
    """That denoiser, loaded once a process."""
    return denoiser(tiny.folder(family), scheduler, kind)


def run(cutter: Denoiser, trajectory: Any) -> Any:
    """Denoise to the trajectory's `until`, alone."""
    while trajectory.step < trajectory.until:
        cutter.advance([trajectory])
    return trajectory


def finish(cutter: Denoiser, frame: Frame, cut: Cut) -> np.ndarray[Any, Any]:
    """The picture that a frame becomes."""
    variation = None if cut.variation is None else Variation(cut.variation)
    trajectory = cutter.resume(frame, cut.prompt, STEPS, variation, negative=cut.negative)
    return cutter.decode(run(cutter, trajectory))


def main(folder: Path) -> None:
    """Finish every cut of FOLDER/cuts.json in this process, from bytes alone; pictures go to
    FOLDER/<name>.npy."""
    denoisers: dict[tuple[str, str, str], Denoiser] = {}
    for fields in json.loads((folder / "cuts.json").read_text()):
        model = Path(fields.pop("model"))
        cut = Cut(**fields.pop("cut"))
        key = cut.family, cut.scheduler, cut.kind
        if key not in denoisers:
            denoisers[key] = denoiser(model, cut.scheduler, cut.kind)
        payload = (folder / f"{cut.name}.frame").read_bytes()
        frame = Frame(payload=payload, **fields)
        frame.verify(denoisers[key].identity.digest(), "key")
        np.save(folder / f"{cut.name}.npy", finish(denoisers[key], frame, cut))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
