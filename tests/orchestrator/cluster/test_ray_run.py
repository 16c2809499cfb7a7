"""Live paced runs on Ray and gRPC: metrics while they go, deaths in mid-run, interruption."""

import json
import os
import re
import signal
from pathlib import Path

import pytest

from midstep.telemetry.metrics import SPECS
from orchestrator.live.checkpoint import unpack
from orchestrator.records.run_reader import read_run
from tests.orchestrator.cluster.live_run import PACED, live, scrape

pytestmark = pytest.mark.ray
# of real pictures that are checked, of another prompt's outputs, of a second tier
ELSEWHERE = (
    "backhaul_",
    "disk_",
    "donor_",
    "fetch",
    "reuse_ceiling_",
    "reuse_checks_",
    "reuse_limits_",
    "reuse_psnr_",
    "reuse_ssim",
)
QUICK = (
    *PACED,
    "--set",
    "devices.0.speed_ratio=0.5",
    "--set",
    "workload.catalogue_size=30",
    "--set",
    "report.references=4",
)


def test_a_live_run_exports_every_metric(ray_address: str, tmp_path: Path) -> None:
    with live(
        tmp_path / "run", ray_address, *QUICK, "--duration", "300s", "--users", "12"
    ) as running:
        targets = running.targets()
        assert set(targets) == {
            "edge-0",
            "host-0",
            "host-1",
            "host-2",
            "learner-edge-0",
            "orchestrator",
        }
        running.until_requests(40)
        samples_of = {part: scrape(address) for part, address in targets.items()}
        exported = {name.partition("{")[0] for samples in samples_of.values() for name in samples}
        for name in SPECS:
            if name.startswith(ELSEWHERE):
                continue
            names = {f"midstep_{name}{suffix}" for suffix in ("", "_bucket", "_total")}
            assert exported & names, f"midstep_{name} is exported by nobody"
        edge = samples_of["edge-0"]
        assert (
            0
            < edge['midstep_store_bytes{edge="edge-0"}']
            <= edge['midstep_store_capacity_bytes{edge="edge-0"}']
        )
        hits = edge['midstep_store_hits_total{edge="edge-0",reuse="exact"}']
        assert 0 < hits < edge['midstep_store_lookups_total{edge="edge-0"}']
        devices = sum(
            v
            for part in samples_of
            for n, v in samples_of[part].items()
            if n.startswith("midstep_devices{")
        )
        assert devices == 12
        assert samples_of["orchestrator"]["midstep_run_valid"] in (
            0,
            1,
        )  # 1 where the machine is quiet
        running.signal(signal.SIGINT)
        assert running.end(60) == 130
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["policies"]["drc"]["failed"]["mean"] == 0
    assert json.loads((tmp_path / "run" / "targets.json").read_text()) == []


def test_an_edge_killed_in_mid_run_ends_the_run_with_its_report(
    ray_address: str, tmp_path: Path
) -> None:
    with live(tmp_path / "run", ray_address, *QUICK, "--duration", "120s") as running:
        running.until_requests(15)
        os.kill(running.edge_pid(), signal.SIGKILL)
        assert running.end(60) == 3
        deaths = [
            line for line in running.text().splitlines() if line.startswith("midstep: edge-0 died")
        ]
        assert deaths == ["midstep: edge-0 died: the run ends; what was measured is kept"]
        assert "A worker died" not in running.text()  # Ray's own paragraph
    rows, slots = read_run(running.folder)
    assert sum(row["result"] == "done" for row in rows) >= 15 and slots
    assert "edge-0 died" in (running.folder / "report.html").read_text()
    assert (running.folder / "requests.parquet").is_file()


def test_a_host_killed_in_mid_run_takes_only_its_devices(ray_address: str, tmp_path: Path) -> None:
    with live(tmp_path / "run", ray_address, *QUICK, "--duration", "14s") as running:
        running.until_requests(15)
        first = json.loads((running.folder / "requests.jsonl").read_text().splitlines()[0])
        os.kill(first["process_id"], signal.SIGKILL)
        assert running.end(90) == 3
    assert "5 devices fewer" in (running.folder / "report.html").read_text()
    rows, _ = read_run(running.folder)
    assert len({row["process_id"] for row in rows if row["result"] == "done"}) == 2
    assert max(row["arrived_s"] for row in rows) > 9
    lost = [row["error"] for row in rows if row["result"] == "failed"]
    assert len(lost) <= 5 and all("died before it was finished" in error for error in lost)


def test_a_learner_killed_in_mid_run_is_replaced_from_its_state_and_nobody_waits(
    ray_address: str, tmp_path: Path
) -> None:
    # Q grows, all but ever
    quick = (
        "--set",
        "slot_seconds=0.5",
        "--set",
        "policy.latency_target_s=0.1",
    )
    with live(tmp_path / "run", ray_address, *QUICK, *quick, "--duration", "300s") as running:
        first = running.learner_pid()
        exporter = running.targets()["learner-edge-0"]
        running.until((running.folder / "learner.ckpt").is_file, "state of the learner")
        running.until_slots(13)
        os.kill(first, signal.SIGKILL)
        running.until(lambda: "another learner (pid" in running.text(), "other learner")
        assert running.targets()["learner-edge-0"] != exporter
        assert 'midstep_backlog_seconds{edge="edge-0"}' in scrape(
            running.targets()["learner-edge-0"]
        )
        running.until_slots((running.folder / "slots.jsonl").read_text().count("\n") + 8)
        running.signal(signal.SIGINT)
        assert running.end(60) == 3
        lines = [
            line
            for line in running.text().splitlines()
            if line.startswith(("midstep: the learner", "midstep: another learner"))
        ]
    pid = re.search(r"another learner \(pid (\d+)\)", running.text())
    assert pid is not None and int(pid[1]) != first
    assert lines == [
        "midstep: the learner died: the edge goes on with the last plan, another learner is "
        "started (1 of 3)",
        f"midstep: another learner (pid {pid[1]}) goes on from its state after slot 9",
    ]
    rows, slots = read_run(running.folder)
    assert {row["result"] for row in rows} == {"done"}
    assert [slot["slot"] for slot in slots] == list(range(len(slots)))
    without = [slot["slot"] for slot in slots if slot["queue_s"] is None]
    assert without == list(range(without[0], without[-1] + 1)) and without[0] >= 13
    back = slots[without[-1] + 1 :]
    assert len(back) >= 5
    # one without a state would begin with a slot's latency
    assert back[0]["queue_s"] > slots[9]["queue_s"] - 0.11 > 2
    assert all(slot["store_entries"] is not None for slot in back)
    assert sum(slots[number]["hits"] for number in without) > 0  # the edge served from what it held
    assert sum(slot["hits"] for slot in back) > 0
    events = json.loads((running.folder / "summary.json").read_text())["run"]["events"]
    assert [event["text"] for event in events][:2] == [
        line.removeprefix("midstep: ") for line in lines
    ]
    assert unpack((running.folder / "learner.ckpt").read_bytes())["slot"] == slots[-1]["slot"]


def test_ctrl_c_ends_a_run_in_order_with_its_report(ray_address: str, tmp_path: Path) -> None:
    with live(tmp_path / "run", ray_address, *QUICK, "--duration", "300s") as running:
        running.until_requests(10)
        running.signal(signal.SIGINT)
        assert running.end(60) == 130
        assert "midstep: stopping" in running.text()
    rows, _ = read_run(running.folder)
    assert all(row["result"] == "done" for row in rows)  # those in flight were awaited
    assert "interrupted" in (running.folder / "report.html").read_text()


def test_a_port_in_use_is_one_line_and_status_2(ray_address: str, tmp_path: Path) -> None:
    import socket

    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        setting = f"edges.0.address=127.0.0.1:{busy.getsockname()[1]}"
        with live(tmp_path / "run", ray_address, *QUICK, "--set", setting) as running:
            assert running.end(60) == 2
            assert sum("cannot be listened on" in line for line in running.text().splitlines()) == 1
