"""The programs beside midstep: there, missing, or not answering."""

import sys
from pathlib import Path

import pytest

from orchestrator.doctor import tools
from orchestrator.watch import programs
from tests.orchestrator.doctor.patient import finding, planned_run


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing in it yet."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_programs_that_are_not_there_are_warned_of(path: Path) -> None:
    for check, names in (
        (tools.prometheus, ("Prometheus", "promtool")),
        (tools.grafana, ("Grafana",)),
        (tools.docker, ("Docker",)),
    ):
        assert {one.name: one.state for one in check(planned_run())} == dict.fromkeys(names, "warn")
        assert all(one.do for one in check(planned_run()))
    assert "neither tc nor ip" in finding(tools.shaping, planned_run(), "kernel shaping").text


def test_programs_that_are_there(path: Path) -> None:
    program(path, "prometheus", "exit 0")
    program(path, "promtool", "echo promtool, version 3.5.0")
    program(path, "grafana-server", "exit 0")
    program(path, "docker", "echo 28.1")
    findings = [
        one
        for check in (tools.prometheus, tools.grafana, tools.docker)
        for one in check(planned_run())
    ]
    assert {one.state for one in findings} == {"ok"}
    assert "promtool, version 3.5.0" in {one.text for one in findings}
    assert "daemon 28.1 answers" in {one.text for one in findings}


def test_a_docker_whose_daemon_does_not_answer(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(path, "docker", "echo Cannot connect to the Docker daemon >&2; exit 1")
    docker_finding = finding(tools.docker, planned_run(), "Docker")
    assert (
        docker_finding.state == "warn"
        and "Cannot connect to the Docker daemon" in docker_finding.text
    )
    program(path, "docker", f"exec {sys.executable} -c 'import time; time.sleep(60)'")
    monkeypatch.setattr(tools, "ANSWER_S", 0.2)
    assert "no answer within 0.2 s" in finding(tools.docker, planned_run(), "Docker").text


def test_an_image_of_docker_is_one_that_has_to_be_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    image = programs.Program("Docker, prom/prometheus:v1", ("docker", "run"), "prom/prometheus:v1")
    monkeypatch.setattr(programs, "prometheus", lambda: image)
    assert "fetched at first use" in finding(tools.prometheus, planned_run(), "Prometheus").text
