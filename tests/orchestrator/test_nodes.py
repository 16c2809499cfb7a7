"""Two Ray nodes for edge and devices, on one machine: placement, one record, and what a dead node takes with it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.recorder import read_run
from tests.orchestrator.live import PACED, live

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def nodes() -> Iterator[dict[str, Any]]:
    """A head, a node with `gpu_like`, a node with `midstep-devices`: their ids and raylets' pids."""
    root, environment = Path(__file__).parents[2], {**os.environ, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    head = subprocess.Popen(
        [sys.executable, "-m", "tests.ray_nodes"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        cwd=root, env=environment,
    )  # fmt: skip
    assert head.stdin is not None and head.stdout is not None
    line = head.stdout.readline()
    assert line, "Ray did not start"
    yield json.loads(line)
    head.stdin.close()
    head.wait(60)


def test_the_edge_lands_where_its_resource_is_and_a_dead_node_takes_only_its_devices(
    nodes: dict[str, Any], tmp_path: Path
) -> None:
    asked = ("--set", "edges.0.resources.gpu_like=1", "--set", "workload.arrivals.closed.think_s=0.2")
    with live(tmp_path / "run", nodes["address"], *PACED, *asked, "--duration", "120s") as running:
        running.until_requests(12)
        rows = [json.loads(line) for line in (running.folder / "requests.jsonl").read_text().splitlines()]
        assert {ppid(pid) for pid in {row["process_id"] for row in rows}} == {nodes["nodes"]["devices"]["pid"]}, (
            "devices are not where midstep-devices is"
        )
        assert ppid(running.edge_pid()) == nodes["nodes"]["edge"]["pid"], "the edge is not where gpu_like is"
        os.kill(nodes["nodes"]["devices"]["pid"], signal.SIGKILL)
        assert running.end(90) == 3
        said = running.text()
    assert "midstep: host-0 died: 5 devices fewer" in said and "midstep: host-1 died: 5 devices fewer" in said
    assert "Raylet is terminated" not in said  # Ray's own paragraphs
    rows, slots = read_run(running.folder)
    assert len(rows) >= 12 and len(slots) >= 5 and {row["result"] for row in rows} == {"done"}
    assert "5 devices fewer" in (running.folder / "report.html").read_text()


def ppid(pid: int) -> int:
    """The parent of a process: of a Ray worker, its node's raylet."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_resource_that_no_node_has_is_one_line(nodes: dict[str, Any], tmp_path: Path) -> None:
    with live(tmp_path / "run", nodes["address"], *PACED, "--set", "edges.0.resources.tpu=1") as running:
        assert running.end(60) == 2
        assert [line for line in running.text().splitlines() if "edges.N.resources" in line]
