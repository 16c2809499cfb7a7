"""Serve what a run's Prometheus has kept, without a word more in the run's folder."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.grafana.answers import get, series
from orchestrator.watch import programs
from orchestrator.watch.monitor import NO_PROMETHEUS
from orchestrator.watch.supervised_process import SupervisedProcess

READY_S = 30.0
POLL_S = 0.1
FOREVER = "100y"
UP = 'max(max_over_time((timestamp(up{part="edge"}) * (up{part="edge"} == 1))[10m:1s]))'


@contextmanager
def recorded_prometheus(run: Path) -> Iterator[str]:
    """Start a Prometheus on a copy of the run's data, which scrapes nothing; yield its address.

    Raises ValueError where the run has no such data or there is no Prometheus, OSError where it
    does not start.
    """
    data = run / "prometheus" / "data"
    if not data.is_dir():
        raise ValueError(f"{run} has no prometheus/data: it was no `midstep run --monitor`")
    program = programs.prometheus()
    if program is None:
        raise ValueError(NO_PROMETHEUS.removesuffix("; the run goes on without"))
    with tempfile.TemporaryDirectory(prefix="midstep-recorded-") as scratch:
        folder = Path(scratch)
        shutil.copytree(data, folder / "data", ignore=shutil.ignore_patterns("lock"))
        (folder / "prometheus.yml").write_text("scrape_configs: []\n")
        address = f"127.0.0.1:{programs.port(0)}"
        options = [
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--storage.tsdb.retention.time={FOREVER}",  # else what is older than 15 days goes
            f"--web.listen-address={address}",
        ]
        started = SupervisedProcess(program.command(options, folders=[folder]), folder / "log")
        try:
            _await_ready(f"http://{address}", started)
            yield f"http://{address}"
        finally:
            started.end()


def span(run: Path, prometheus: str) -> tuple[float, float]:
    """Find the first instant of what was recorded and the last with an edge, Unix seconds.

    After its edges have gone a run only puts its things away.
    """
    head = get(prometheus, "status/tsdb")["headStats"]
    blocks = [
        json.loads(path.read_text()) for path in (run / "prometheus" / "data").glob("*/meta.json")
    ]
    first = min(head["minTime"], *(block["minTime"] for block in blocks), head["maxTime"])
    last = head["maxTime"] / 1e3
    (edges,) = series(prometheus, UP, time=last) or [{"points": [[last, last]]}]
    return first / 1e3, float(edges["points"][0][1])


def _await_ready(address: str, started: SupervisedProcess) -> None:
    end = time.monotonic() + READY_S
    while started.alive and time.monotonic() < end:
        try:
            get(address, "query?query=vector(1)")
        except (OSError, ValueError):
            time.sleep(POLL_S)
        else:
            return
    raise OSError(f"Prometheus did not start: {started.last_words()}")
