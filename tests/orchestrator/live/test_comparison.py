"""Pictures that are compared when a run has ended, and hosts that end before they are."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, cast

import pytest

from midstep.clock import run_virtual
from midstep.telemetry.record import Gallery
from orchestrator.live.comparison import LOOK_S, compare_pictures
from tests.orchestrator.live.slot_world import Part, silent_from

PICTURE = Gallery(request_id="r", frame=b"", picture=b"", reference=b"", psnr_db=30.0)


@dataclass
class Gallerist(Part):
    """A host that takes `work_s` for its pictures, and is asked how it is meanwhile."""

    work_s: float = 60.0

    async def gallery(self) -> list[Gallery]:
        await asyncio.sleep(self.work_s)
        return [PICTURE]

    async def in_flight(self) -> int:
        await self.answer()
        return 0


def compare(*hosts: Gallerist, stop_s: float = 1e6) -> tuple[int, list[str], float]:
    """How many pictures came, what was said, and when it was over."""
    said = list[str]()

    async def main() -> tuple[int, float]:
        stopping = asyncio.Event()
        asyncio.get_running_loop().call_later(stop_s, stopping.set)
        pictures = await compare_pictures(cast(Any, hosts), stopping, said.append)
        return len(pictures), asyncio.get_running_loop().time()

    count, at_s = run_virtual(main())
    return count, said, at_s


def test_a_host_that_is_at_work_is_waited_for() -> None:
    assert compare(Gallerist("host-0"), Gallerist("host-1", work_s=500.0)) == (2, [], 500.0)


@pytest.mark.parametrize("silent", [silent_from(7.0), silent_from(0.0)])
def test_a_stopped_host_is_not_waited_for(silent: Any) -> None:
    stopped = Gallerist("host-1", work_s=1e9, wait=silent)
    count, said, at_s = compare(Gallerist("host-0"), stopped)
    assert count == 1 and at_s == 60.0
    assert said == ["host-1 is silent while pictures were compared"]


def test_a_host_that_was_silent_once_has_its_pictures_taken() -> None:
    slow = Gallerist("host-0", wait=silent_from(4.0, until_s=4.0 + 1.5 * LOOK_S))
    assert compare(slow) == (1, [], 60.0)


def test_a_dead_host_is_named_and_an_interruption_heard() -> None:
    dead = Gallerist("host-1", work_s=1e9, dies_s=3.0)
    count, said, _ = compare(Gallerist("host-0"), dead)
    assert count == 1 and said == ["host-1 died while pictures were compared"]
    assert compare(Gallerist("host-0"), stop_s=9.0) == (0, [], 9.0)
