"""Ray nodes for edge and devices, on one machine: placement, one record, and what a dead node takes
with it."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.records.run_reader import read_run
from tests.orchestrator.cluster.live_run import PACED, live

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def nodes() -> Iterator[dict[str, Any]]:
    """A head, a node with `gpu_like`, two with `midstep-devices`: their ids and raylets' pids."""
    root = Path(__file__).parents[3]
    environment = {**os.environ, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    head = subprocess.Popen(
        [sys.executable, "-m", "tests.ray_nodes"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env=environment,
    )
    assert head.stdin is not None and head.stdout is not None
    line = head.stdout.readline()
    assert line, "Ray did not start"
    yield json.loads(line)
    head.stdin.close()
    head.wait(60)


def test_the_edge_lands_where_its_resource_is_and_a_dead_node_takes_only_its_devices(
    nodes: dict[str, Any], tmp_path: Path
) -> None:
    settings = (
        "--set",
        "edges.0.resources.gpu_like=1",
        "--set",
        "workload.arrivals.closed.think_s=0.2",
    )
    with live(
        tmp_path / "run", nodes["address"], *PACED, *settings, "--duration", "120s"
    ) as running:
        running.until_requests(12)
        rows = [
            json.loads(line)
            for line in (running.folder / "requests.jsonl").read_text().splitlines()
        ]
        raylets = {row["process_id"]: ppid(row["process_id"]) for row in rows}
        dying, staying = (nodes["nodes"][name]["pid"] for name in ("devices", "others"))
        assert set(raylets.values()) == {dying, staying}, (
            "hosts are not spread over the nodes with midstep-devices"
        )
        assert ppid(running.edge_pid()) == nodes["nodes"]["edge"]["pid"], (
            "the edge is not where gpu_like is"
        )
        os.kill(dying, signal.SIGKILL)
        running.until(lambda: "5 devices fewer" in running.text(), "word of the dead host")
        journal = running.folder / "requests.jsonl"
        before = [json.loads(line)["request_id"] for line in journal.read_text().splitlines()]
        running.until_requests(len(before) + 6)
        running.signal(signal.SIGINT)
        assert running.end(90) == 3
        terminal = running.text()
    assert len(re.findall(r"midstep: host-\d died: 5 devices fewer", terminal)) == 1
    assert "Raylet is terminated" not in terminal  # Ray's own paragraphs
    rows, slots = read_run(running.folder)
    lost = [row["error"] for row in rows if row["result"] == "failed"]
    assert len(lost) <= 5 and all("died before it was finished" in error for error in lost)
    rows = [row for row in rows if row["result"] != "failed"]
    assert {row["result"] for row in rows} == {"done"} and [slot["slot"] for slot in slots] == list(
        range(len(slots))
    )
    assert set(before) < {row["request_id"] for row in rows}, (
        "what was measured before the death is lost"
    )
    after = {raylets[row["process_id"]] for row in rows if row["request_id"] not in before}
    assert after == {staying}, "the other node's devices went on"
    for row in rows:
        assert (running.folder / "images" / f"{row['request_id']}.png").read_bytes()[1:4] == b"PNG"
    assert "5 devices fewer" in (running.folder / "report.html").read_text()


def ppid(pid: int) -> int:
    """The parent of a process: of a Ray worker, its node's raylet."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_resource_that_no_node_has_is_one_line(nodes: dict[str, Any], tmp_path: Path) -> None:
    with live(
        tmp_path / "run", nodes["address"], *PACED, "--set", "edges.0.resources.tpu=1"
    ) as running:
        assert running.end(60) == 2
        assert [line for line in running.text().splitlines() if "edges.N.resources" in line]


def test_a_node_killed_by_an_event_takes_its_devices_and_is_no_failure_of_the_run(
    nodes: dict[str, Any], tmp_path: Path
) -> None:
    name = nodes["nodes"]["others"]["id"]
    timeline = json.dumps([{"kind": "kill", "part": "node", "name": name[:20], "at_s": 2}])
    keys = ("edges.0.resources.gpu_like=1", "policy.name=lru", f"timeline={timeline}")
    settings = [text for key in keys for text in ("--set", key)]
    with live(
        tmp_path / "run", nodes["address"], *PACED, *settings, "--duration", "120s"
    ) as running:
        line = rf"midstep: kill: node {name[:20]}, at once, with (.*)"
        dying = running.until(lambda: re.search(line, running.text()), "the killed node")
        for host in dying[1].split(", "):
            running.until(lambda host=host: f"{host} died: 5" in running.text(), host)
        if running.process.poll() is None:  # hosts live on the other node, where that lives
            running.signal(signal.SIGINT)
        assert running.end(90) in (0, 130), running.text()  # and not 3: nobody died unasked
    assert (tmp_path / "run" / "report.html").is_file()
