"""Changes that an event makes to a part of a run, as they cross to the part."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DeviceChange", "EdgeChange"]


@dataclass(frozen=True, kw_only=True)
class DeviceChange:
    """A change of devices and of their links, for a `cause`: it takes the place of the one before
    it of the same cause, and one that says nothing lifts that. Changes of several causes act
    together.

    `rate_factor` multiplies the link's rate R_n, `down` takes the link away; `bit_error_rate` is a
    probability a bit, `frame_loss` one a frame; `gains` are (seconds from now, gain) pairs that
    replace path loss and fading of (6), each until the next; `speed_factor` multiplies the device's
    speed f_n. `distance_m` is where the device stands from now on, or goes to within `over_s`
    seconds; that stays, whatever its cause does later.
    """

    cause: str = ""
    rate_factor: float | None = None
    down: bool | None = None
    bit_error_rate: float | None = None
    frame_loss: float | None = None
    distance_m: float | None = None
    over_s: float = 0.0
    gains: tuple[tuple[float, float], ...] | None = None
    speed_factor: float | None = None


@dataclass(frozen=True, kw_only=True)
class EdgeChange:
    """A change of an edge; what is None stays as it is.

    `speed_factor` is the speed of its engine as a multiple of its own, `capacity` its store's,
    bytes; `wipe` empties store and staging.
    """

    speed_factor: float | None = None
    capacity: int | None = None
    wipe: bool = False

    def then(self, later: EdgeChange) -> EdgeChange:
        """What still holds of this change once `later` has been made, such as for an edge that is
        started again: its speed and its capacity."""
        return EdgeChange(
            speed_factor=later.speed_factor or self.speed_factor,
            capacity=later.capacity or self.capacity,
        )
