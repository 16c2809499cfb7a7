"""The run of a soak: paced, open arrivals, no pictures."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Wish"]


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A run of `users` for `seconds` of asking."""

    users: int
    seconds: float

    @property
    def duration_s(self) -> float:
        return self.seconds

    def arguments(self) -> list[str]:
        """Arguments of `midstep run`."""
        return ["saturated", "--users", str(self.users), "--duration", f"{self.seconds:g}s"]
