"""Measured step times: what a paced or virtual run waits, and what a device's pace is a ratio
of."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path

from midstep.errors import ScenarioError
from midstep.json_text import parse_json
from midstep.whole_file import write_at_once

__all__ = ["BUSY", "StepProfile"]

BUSY = ", busy"  # ends `measured_on`


@dataclass(frozen=True)
class StepProfile:
    """Seconds of one denoiser call at each measured batch size, of one text encoding, and of one
    decoding; `frame_bytes` of one output at the split step, 0 where it was not measured; `model`
    whose times these are, empty where nobody says; `spread` of the repeated measurements: from
    the 10th to the 90th percentile as a share of the median, the largest of the batch sizes."""

    step_s: dict[int, float]
    encode_s: float = 0.0
    decode_s: float = 0.0
    measured_on: str = ""
    frame_bytes: int = 0
    model: str = ""
    spread: float | None = None

    @property
    def busy(self) -> bool:
        """Whether the machine was busy while they were measured (`midstep calibrate --force`)."""
        return self.measured_on.endswith(BUSY)

    def step(self, batch: int) -> float:
        """Seconds of one step of `batch` requests: linear between measured sizes, and in proportion
        beyond."""
        sizes = sorted(self.step_s)
        if batch <= sizes[0]:
            return self.step_s[sizes[0]]
        for low, high in pairwise(sizes):
            if batch <= high:
                share = (batch - low) / (high - low)
                return self.step_s[low] + share * (self.step_s[high] - self.step_s[low])
        return self.step_s[sizes[-1]] * batch / sizes[-1]

    def scaled(self, factor: float) -> StepProfile:
        """The same times in other seconds: what was measured on the wall, in the scenario's."""
        return replace(
            self,
            step_s={batch: seconds * factor for batch, seconds in self.step_s.items()},
            encode_s=self.encode_s * factor,
            decode_s=self.decode_s * factor,
        )

    def fits(self, model: str) -> bool:
        """Whether these may be the times of a model, a shipped name, a folder or a hub id: a folder
        may lie elsewhere on another machine."""
        return not self.model or Path(self.model).name == Path(model).name

    def save(self, path: Path) -> None:
        """Write as JSON."""
        write_at_once(path, json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> StepProfile:
        """Read what `save` wrote. Raises ScenarioError where the file is not a profile."""
        try:
            data = parse_json(path.read_bytes())
            step_s = {int(batch): float(seconds) for batch, seconds in data["step_s"].items()}
            if not step_s or min(step_s.values()) <= 0:
                raise ValueError("step_s must hold at least one time above 0")
            frame_bytes = int(data.get("frame_bytes", 0))
            if frame_bytes < 0:
                raise ValueError("frame_bytes must be 0 (not known) or more")
            spread = data.get("spread")
            return cls(
                step_s=step_s,
                encode_s=float(data["encode_s"]),
                decode_s=float(data["decode_s"]),
                measured_on=str(data.get("measured_on", "")),
                frame_bytes=frame_bytes,
                model=str(data.get("model", "")),
                spread=None if spread is None else float(spread),
            )
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise ScenarioError(
                f"model.profile: {path} is no step profile ({error}); `midstep calibrate` writes "
                f"one"
            ) from error
