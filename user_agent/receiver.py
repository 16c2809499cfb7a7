"""A device's reception: a frame is held until it has come whole over the link, and takes its
energy."""

from __future__ import annotations

from midstep.telemetry.record import RequestRow
from midstep.wire.frame import Frame
from user_agent.air import Air
from user_agent.attachment import Attachment
from user_agent.energy import Energy
from user_agent.link import Link

__all__ = ["Receiver"]


class Receiver:
    """Receives one device's frames over its `link`, whatever the `air` does to them."""

    def __init__(self, link: Link, air: Air, energy: Energy, attachment: Attachment) -> None:
        self._link = link
        self._air = air
        self._energy = energy
        self._attachment = attachment

    async def receive(self, row: RequestRow, frame: Frame) -> None:
        """Hold a frame until it has passed over the link, as often as it takes. Raises LinkLost."""
        self._attachment.move("receiving")

        def arrives(resent: int, nbytes: int) -> bool:
            return self._came(row, frame, resent, nbytes)

        transfer = await self._link.transmit(frame.nbytes, row.due_s, arrives)
        row.transfer_s = transfer.achieved_s
        row.transfer_wait_s = transfer.booking.wait_s
        row.transfer_late_s = transfer.late_s
        row.frame_bytes = transfer.nbytes
        row.link_rate_bps = transfer.rate_bps

    def _came(self, row: RequestRow, frame: Frame, resent: int, nbytes: int) -> bool:
        """Whether a frame of `nbytes` that has passed is whole; receiving it takes its energy in
        any case."""
        row.resent = resent
        self._energy.receive(row, nbytes)
        fault = self._air.fault(frame, nbytes, row.request_id, resent)
        if fault is not None:
            self._attachment.metrics.frame_fault(fault)
        return fault is None
