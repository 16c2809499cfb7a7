"""The times that a run's choice of the step depends on, as far as they are known before it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["StepTimes"]


@dataclass(frozen=True, kw_only=True)
class StepTimes:
    """What is known before the first request where the edge decides the step.

    `tick_s`: seconds of a tick by its batch size, from 1 to the largest; empty where no profile
    says (then the edge's own work does). `decode_s`: one decoding on the edge. `air_bits`: a frame
    on the air, 0: its own size. `bandwidth_hz`: W_n of users 0..U-1.
    """

    tick_s: tuple[float, ...] = ()
    decode_s: float = 0.0
    air_bits: float = 0.0
    bandwidth_hz: tuple[float, ...] = ()

    @property
    def decode_steps(self) -> float:
        """A decoding, in steps of one request."""
        return self.decode_s / self.tick_s[0] if self.tick_s else 0.0
