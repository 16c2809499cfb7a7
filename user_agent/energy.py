"""Energy that a device takes for its requests: entered in their rows, and taken of its battery."""

from __future__ import annotations

from collections.abc import Callable

from midstep.clock import Clock
from midstep.radio.fading import DeviceSpec
from midstep.telemetry.record import RequestRow
from user_agent.battery import Battery
from user_agent.booking import Booking

__all__ = ["Energy"]


class Energy:
    """The energy of one device: so much a second while it computes, so much a bit that is sent to
    it. `on_empty` is called when its battery, if it has one, is empty."""

    def __init__(self, spec: DeviceSpec, clock: Clock, on_empty: Callable[[], None]) -> None:
        self._spec = spec
        self._battery: Battery | None = None
        if spec.battery_j is not None:
            self._battery = Battery(spec.battery_j, spec.watts, clock, on_empty)

    @property
    def empty(self) -> bool:
        """Whether the battery is empty."""
        return self._battery is not None and self._battery.empty

    def receive(self, row: RequestRow, nbytes: int) -> None:
        """Enter a frame that has passed, whole or not."""
        joules = self._spec.joules_per_bit * 8 * nbytes
        if self._battery is not None:
            joules = self._battery.draw(joules)
        row.receive_joules = (row.receive_joules or 0.0) + joules
        row.joules = row.receive_joules

    def begin(self, booking: Booking) -> None:
        """Computing is booked."""
        if self._battery is not None:
            self._battery.begin(booking)

    def end(self, row: RequestRow, booking: Booking, until_s: float) -> None:
        """Enter computing that was done, or given up, at an instant."""
        work_s = booking.work_s if until_s >= booking.due_s else until_s - booking.begins_s
        joules = self._spec.watts * max(0.0, work_s)
        row.joules = (row.receive_joules or 0.0) + joules
        if self._battery is not None:
            self._battery.end(booking, joules)

    def expect(self) -> None:
        """Look again when the battery will be empty: bookings may have moved."""
        if self._battery is not None:
            self._battery.expect()

    def close(self) -> None:
        """End what waits for later."""
        if self._battery is not None:
            self._battery.close()
