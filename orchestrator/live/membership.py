"""Membership of a run: which users have asked at which edge, since when and until when. What a run
that breaks off leaves of it says which of its requests have no row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from orchestrator.live.cell import Cell
from orchestrator.records.recorder import Recorder

__all__ = ["Member", "Membership"]


@dataclass(kw_only=True)
class Member:
    """A user at an edge; instants in scenario seconds, `until_s` None: it asks still."""

    user: int
    kind: str
    edge: str
    since_s: float = 0.0
    until_s: float | None = None


class Membership:
    """Follows who comes and goes, as far as slots' ends show it; written when it changes."""

    def __init__(self, cells: Iterable[Cell], recorder: Recorder) -> None:
        self._recorder = recorder
        self._gone: list[Member] = []
        self._here = _present(cells)

    def note(self, cells: Iterable[Cell], now_s: float) -> None:
        """Compare the cells' devices with those at the last call."""
        present = _present(cells)
        if present.keys() == self._here.keys():
            return
        for key, member in self._here.items():
            if key not in present:
                member.until_s = now_s
                self._gone.append(member)
        self._here = {key: self._here.get(key, member) for key, member in present.items()}
        members: list[dict[str, Any]] = [
            asdict(member) for member in (*self._gone, *self._here.values())
        ]
        self._recorder.members(members)


def _present(cells: Iterable[Cell]) -> dict[tuple[int, str], Member]:
    """The devices that live now, by user and edge."""
    return {
        (spec.user, cell.name): Member(
            user=spec.user,
            kind=spec.kind,
            edge=cell.name,
            since_s=cell.since_s.get(spec.user, 0.0),
        )
        for cell in cells
        for spec in cell.devices
    }
