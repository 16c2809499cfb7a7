"""Prometheus with the files of deploy/prometheus scrapes every run in the folder `runs`."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, start_http_server

from midstep.telemetry.exporter import Target, write_targets
from orchestrator.watch import programs
from orchestrator.watch.monitor import query
from orchestrator.watch.supervised_process import SupervisedProcess

PROMETHEUS = Path(__file__).parents[2] / "deploy" / "prometheus"


@pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="no prometheus here: apt-get install prometheus"
)
def test_prometheus_finds_runs_as_they_come_and_go(tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    shutil.copytree(PROMETHEUS, folder)
    server, _ = start_http_server(0, "127.0.0.1", CollectorRegistry())
    targets = [Target(f"127.0.0.1:{server.server_port}", "edge", "edge-0")]
    port = programs.port(0)
    options = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data"]
    program = SupervisedProcess(
        ["prometheus", *options, f"--web.listen-address=127.0.0.1:{port}"], tmp_path / "log"
    )

    def runs_up() -> float | None:
        return query(
            f"http://127.0.0.1:{port}", 'sum(up{job="midstep",part="edge",run=~"first|second"})'
        )

    def until(value: float | None) -> None:
        up: object = "no answer"
        for _ in range(200):
            try:
                up = runs_up()
            except OSError:
                assert program.alive, program.last_words()
            if up == value:
                return
            time.sleep(0.1)
        raise AssertionError(f"{up} instead of {value}")

    try:
        (folder / "runs").mkdir()
        files = {name: folder / "runs" / f"{name}.targets.json" for name in ("first", "second")}
        for name, file in files.items():
            write_targets(file, targets, name)
        until(2)
        files["first"].unlink()  # as a run does when it ends
        until(1)
        files["second"].unlink()
        until(None)
    finally:
        program.end()
        server.shutdown()
        server.server_close()
