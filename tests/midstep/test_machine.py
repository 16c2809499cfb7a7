"""The cores that are ours: in a container, on a machine without affinities."""

import os
from pathlib import Path

import pytest

from midstep import machine


def test_a_container_has_the_cores_of_its_quota(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr(machine, "_QUOTA", tmp_path / "cpu.max")
    assert machine.usable_cores() == 8
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    assert machine.usable_cores() == 1.5
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert machine.usable_cores() == 8


def test_a_system_without_affinities_has_the_cores_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 10)
    monkeypatch.setattr(machine, "_QUOTA", tmp_path / "cpu.max")
    assert machine.usable_cores() == 10
    from orchestrator.evaluation.simulator.many import Workers

    assert Workers().jobs == 10
