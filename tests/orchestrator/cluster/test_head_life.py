"""The watch on the Ray that a run has started, without one: its processes are stand-ins."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from midstep.errors import PartDied
from orchestrator.cluster import head_life
from orchestrator.cluster.head_life import OwnHead
from orchestrator.live.cell import Census

SIZE = Census(1, {"CPU": 2.0}, {"CPU": 1.0})


@pytest.fixture(autouse=True)
def answering(monkeypatch: pytest.MonkeyPatch) -> None:
    """A head that goes on answering whatever dies, as Ray's does for a while."""

    async def census() -> Census:
        return SIZE

    monkeypatch.setattr(head_life, "take_census", census)


@contextlib.contextmanager
def stand_in(name: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A child of this process that is called as one of Ray's."""
    program = shutil.copy(shutil.which("sleep") or "", folder / name)
    with subprocess.Popen([program, "60"]) as process:
        yield process
        process.kill()


def die(process: subprocess.Popen[bytes]) -> None:
    """Let it be dead as Ray's are: nobody has asked after it yet."""
    process.kill()
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        pass  # it is on its way


@pytest.mark.parametrize("name", ["raylet", "gcs_server"])
def test_a_process_that_dies_is_told_although_the_head_answers(name: str, tmp_path: Path) -> None:
    head = OwnHead()
    with stand_in(name, tmp_path) as process:
        assert asyncio.run(head.census()) == SIZE
        die(process)
        with pytest.raises(PartDied, match=f"Ray's {name} has died"):
            asyncio.run(head.census())


def test_who_joined_a_ray_has_no_processes_of_it() -> None:
    assert asyncio.run(OwnHead().census()) == SIZE


@pytest.mark.parametrize("name", ["raylet", "gcs_server"])
def test_a_process_that_was_dead_before_the_first_look_is_told(name: str, tmp_path: Path) -> None:
    head = OwnHead()
    with stand_in(name, tmp_path) as process:
        die(process)
        with pytest.raises(PartDied, match=f"Ray cannot be started: its {name} died"):
            asyncio.run(asyncio.wait_for(head.dies(), 5))


async def test_a_dead_process_of_an_earlier_ray_is_none_of_this_one(tmp_path: Path) -> None:
    with stand_in("raylet", tmp_path) as process:
        die(process)
        head = OwnHead()
        assert await head.census() == SIZE
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(head.dies(), 0.01)
