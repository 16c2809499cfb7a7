"""Death and silence of Ray's head: Ray itself would wait for minutes, or say nothing."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Coroutine
from typing import Any, NoReturn, TypeVar

import psutil

from midstep.errors import PartDied
from orchestrator.cluster.census import take_census
from orchestrator.cluster.leavings import processes_of
from orchestrator.live.cell import Census

__all__ = ["OwnHead", "start_fails", "unless"]

T = TypeVar("T")
LOOK_S = 0.5  # between two looks at a head that starts
STOPPED_S = 10.0  # that a process may be stopped meanwhile
SILENT_S = 30.0  # that a head may take to answer while a machine loads everything
ASK_S = 3.0  # between two questions to one that runs
ESSENTIAL = ("gcs_server", "raylet")


async def unless(work: Awaitable[T], fault: Coroutine[Any, Any, NoReturn]) -> T:
    """Await `work`, unless `fault` raises first: its error then ends the waiting."""
    working = asyncio.ensure_future(work)
    watching = asyncio.ensure_future(fault)
    either: set[asyncio.Future[Any]] = {working, watching}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        return watching.result()
    finally:
        for one in either:
            one.cancel()
        await asyncio.gather(*either, return_exceptions=True)


class OwnHead:
    """The Ray that this process starts, if it does: its processes are children of this one. Those
    that are there before it, as of an earlier Ray that has not been ended in order, are none of
    it."""

    def __init__(self) -> None:
        self._strangers = {child.pid for child in psutil.Process().children()}
        self._started: set[str] = set()

    async def dies(self) -> NoReturn:
        """Watch it start. Raises PartDied where a process that it cannot be without dies or stays
        stopped. Where a run joins a Ray there is none, and it watches for ever."""
        stopped_s = dict.fromkeys(ESSENTIAL, 0.0)
        while True:
            status_of = self._statuses()
            for name in self._started:
                status = status_of.get(name)
                if status in (None, psutil.STATUS_ZOMBIE):
                    raise PartDied(
                        f"Ray cannot be started: its {name} died meanwhile, as it does by itself "
                        f"where a machine is too busy to start it within half a minute"
                    )
                stopped = status == psutil.STATUS_STOPPED
                stopped_s[name] = stopped_s[name] + LOOK_S if stopped else 0.0
                if stopped_s[name] > STOPPED_S:
                    raise PartDied(f"Ray cannot be started: its {name} was stopped meanwhile")
            await asyncio.sleep(LOOK_S)

    async def census(self) -> Census:
        """Count what the cluster has (see `take_census`). Raises PartDied also where a process that
        it cannot be without is gone: without its raylet a head answers for half a minute."""
        status_of = self._statuses()
        for name in self._started:
            if status_of.get(name) in (None, psutil.STATUS_ZOMBIE):
                raise PartDied(f"Ray's {name} has died")
        return await take_census()

    def _statuses(self) -> dict[str, str]:
        """Status of each essential process of it by name, also of one that has just died."""
        status_of: dict[str, str] = {}
        for process in psutil.Process().children():
            with contextlib.suppress(psutil.Error):
                if process.pid not in self._strangers and process.name() in ESSENTIAL:
                    status_of[process.name()] = process.status()
        self._started |= status_of.keys()
        return status_of


async def start_fails(centre_pid: int) -> NoReturn:
    """Watch a running Ray while parts start. Raises PartDied where its head does not answer, or
    where a process of the Ray that the process of this id has started stays stopped."""
    stopped_since: dict[int, float] = {}
    while True:
        stopped_since = await asyncio.to_thread(_stopped, centre_pid, stopped_since)
        try:
            await asyncio.wait_for(take_census(), SILENT_S)
        except (TimeoutError, PartDied) as error:
            raise PartDied(
                f"the cluster's head has not answered for {SILENT_S:g} s while parts started"
            ) from error
        await asyncio.sleep(ASK_S)


def _stopped(centre_pid: int, before: dict[int, float]) -> dict[int, float]:
    """Which processes of a Ray are stopped, and since when, as far as earlier looks show. Raises
    PartDied for one that has been so for too long."""
    now = time.monotonic()
    since: dict[int, float] = {}
    for process in processes_of(centre_pid):
        with contextlib.suppress(psutil.Error):
            if process.status() != psutil.STATUS_STOPPED:
                continue
            since[process.pid] = before.get(process.pid, now)
            if now - since[process.pid] > STOPPED_S:
                raise PartDied(
                    f"{process.name()} (pid {process.pid}) has been stopped while parts started"
                )
    return since
