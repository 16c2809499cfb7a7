"""Processes that events kill, pause and restart: the run goes on, and is judged as if it had not
been killed."""

import json
import signal
from pathlib import Path

import pytest

from orchestrator.live.checkpoint import unpack
from orchestrator.records.run_reader import read_run
from tests.orchestrator.cluster.live_run import PACED, live

pytestmark = pytest.mark.ray


def test_an_edge_restarts_a_learner_and_a_host_are_killed_and_nothing_else_happens(
    ray_address: str, tmp_path: Path
) -> None:
    timeline = [
        {"kind": "pause_learner", "seconds": 1.6, "at_s": 1.2},
        {"kind": "restart_edge", "at_s": 4, "store": "warm", "down_s": 0.5},
        {"kind": "kill", "part": "learner", "at_s": 4.2},
        {"kind": "capacity", "at_s": 4.3, "capacity": "24KiB"},
        {"kind": "kill", "part": "host", "name": "host-1", "hard": False, "at_s": 8},
    ]
    settings = {
        "devices.0.speed_ratio": 0.5,
        "policy.name": "lru",
        "workload.catalogue_size": 30,
        "edges.0.capacity": "64KiB",
        "edges.0.disk": "1MiB",
        "timeline": json.dumps(timeline),
    }
    given = [text for key, value in settings.items() for text in ("--set", f"{key}={value}")]
    folder = tmp_path / "run"
    with live(folder, ray_address, *PACED, *given, "--duration", "300s") as running:
        first = running.edge_pid()
        for text in ("edge-0 serves again", "another learner (pid", "host-1 died"):
            running.until(lambda text=text: text in running.text(), text)  # type: ignore[misc]
        back_s = json.loads((folder / "slots.jsonl").read_text().splitlines()[-1])["start_s"] + 2
        running.until_slots(int(back_s) + 3)
        running.signal(signal.SIGINT)
        assert running.end(60) == 130, running.text()  # and not 3: nobody died unasked
    events = json.loads((folder / "summary.json").read_text())["run"]["events"]
    texts = [event["text"] for event in events]
    back = next(text for text in texts if text.startswith("edge-0 serves again after"))
    assert int(back.split()[-2]) > 0  # outputs that it found on its disk
    assert "kill: the learner, at once" in texts
    assert any(text.startswith("another learner (pid") for text in texts)
    assert "host-1 died: 5 devices fewer" in texts
    rows, slots = read_run(folder)
    errors = [row["error"] for row in rows if row["result"] == "failed"]
    assert {row["result"] for row in rows} == {"done", "failed"}
    lost = [error for error in errors if "host-1 died" in error]
    assert len(lost) <= 5  # one a device at most
    returned = float(back.split()[-5])
    served = [row["arrived_s"] for row in rows if row["result"] == "done"]
    assert not [at for at in served if 4.1 <= at < 4 + returned - 0.1]
    assert [at for at in served if at > back_s]
    # what an event changed while it was down holds for the process that came
    assert all((slot["store_bytes"] or 0) <= 24 * 1024 for slot in slots[5:])
    assert [slot["store_entries"] is None for slot in slots[:3]] == [False, True, False]
    assert unpack((folder / "learner.ckpt").read_bytes())["slot"] == slots[-1]["slot"]
    report = (folder / "report.html").read_text()
    assert "real: a process ends, and another takes its place" in report
    assert not Path(f"/proc/{first}").exists()
