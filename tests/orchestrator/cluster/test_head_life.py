"""The watch on the Ray that a run has started, without one: its processes are stand-ins."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path

import psutil
import pytest

from midstep.errors import PartDied
from orchestrator.cluster import head_life
from orchestrator.cluster.head_life import OwnHead, head_dies
from orchestrator.live.cell import Census

SIZE = Census(1, {"CPU": 2.0}, {"CPU": 1.0})


@pytest.fixture(autouse=True)
def answering(monkeypatch: pytest.MonkeyPatch) -> None:
    """A head that goes on answering whatever dies, as Ray's does for a while."""

    async def census() -> Census:
        return SIZE

    monkeypatch.setattr(head_life, "take_census", census)


@pytest.mark.parametrize("name", ["raylet", "gcs_server"])
def test_a_process_that_dies_is_told_although_the_head_answers(name: str, tmp_path: Path) -> None:
    program = shutil.copy(shutil.which("sleep") or "", tmp_path / name)
    with subprocess.Popen([program, "60"]) as process:
        head = OwnHead()
        assert asyncio.run(head.census()) == SIZE
        process.kill()
        process.wait()
        with pytest.raises(PartDied, match=f"Ray's {name} has died"):
            asyncio.run(head.census())


def test_who_joined_a_ray_has_no_processes_of_it() -> None:
    assert asyncio.run(OwnHead().census()) == SIZE


@pytest.mark.parametrize("name", ["raylet", "gcs_server"])
def test_a_process_that_was_dead_before_the_first_look_is_told(name: str, tmp_path: Path) -> None:
    program = shutil.copy(shutil.which("sleep") or "", tmp_path / name)
    with subprocess.Popen([program, "60"]) as process:
        process.kill()
        while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
            pass  # it is on its way
        with pytest.raises(PartDied, match=f"Ray cannot be started: its {name} died"):
            asyncio.run(asyncio.wait_for(head_dies(), 5))
