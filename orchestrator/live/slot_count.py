"""Slots as a policy counts them, which may go on from an earlier run's."""

from __future__ import annotations

__all__ = ["SlotCount"]


class SlotCount:
    """The slots of one policy. `last`: the one that was decided last, as the policy counts; None
    before the first."""

    def __init__(self) -> None:
        self.last: int | None = None
        # slots that the policy has seen before this run's first; None until that is known
        self._earlier: int | None = 0

    def resume(self, last: int | None) -> None:
        """Go on from where a saved state stopped."""
        self.last = last
        self._earlier = None

    def enter(self, slot: int) -> int:
        """The run's slot as the policy counts, which is the last one now. A policy that goes on
        from an earlier run's state counts that run's slots too, so that its time never runs
        backwards; one that takes over within a run is behind the run's own count, and follows
        it."""
        if self._earlier is None:
            decided = 0 if self.last is None else self.last + 1
            self._earlier = max(0, decided - slot)
        self.last = slot + self._earlier
        return self.last
