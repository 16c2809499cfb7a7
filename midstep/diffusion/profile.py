"""Measured step times: what a paced or virtual run waits, and what a device's pace is a ratio
of."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

from midstep.errors import ScenarioError


@dataclass(frozen=True)
class StepProfile:
    """Seconds of one denoiser call at each measured batch size, of one text encoding, and of one
    decoding."""

    step_s: dict[int, float]
    encode_s: float = 0.0
    decode_s: float = 0.0
    measured_on: str = ""

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
        steps = {batch: seconds * factor for batch, seconds in self.step_s.items()}
        return StepProfile(steps, self.encode_s * factor, self.decode_s * factor, self.measured_on)

    def save(self, path: Path) -> None:
        """Write as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> StepProfile:
        """Read what `save` wrote. Raises ScenarioError where the file is not a profile."""
        try:
            data = json.loads(path.read_text())
            step_s = {int(k): float(v) for k, v in data["step_s"].items()}
            if not step_s or min(step_s.values()) <= 0:
                raise ValueError("step_s must hold at least one time above 0")
            return cls(
                step_s,
                float(data["encode_s"]),
                float(data["decode_s"]),
                str(data.get("measured_on", "")),
            )
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise ScenarioError(
                f"model.profile: {path} is no step profile ({error}); `midstep calibrate` writes "
                f"one"
            ) from error
