"""A live run of two edges is scaled from outside, by `midstep scale`."""

import json
import stat
from pathlib import Path

import grpc
import pytest

from midstep.v1 import run_pb2, run_pb2_grpc
from orchestrator.records.run_reader import read_run
from tests.orchestrator.cluster.live_run import PACED, Live, live, scrape

pytestmark = pytest.mark.ray
MANY = (
    *PACED,
    "--set",
    "hosts.devices_per_host=40",
    "--set",
    "devices.0.speed_ratio=0.5",
    "--set",
    "workload.arrivals.closed.think_s=8",
    "--set",
    "workload.catalogue_size=30",
    "--set",
    "report.references=0",
)


def count(running: Live, name: str) -> float:
    """The sum of a metric's samples over all processes of the run."""
    samples = [scrape(address) for address in running.targets().values()]
    return sum(
        value
        for one in samples
        for label, value in one.items()
        if label.startswith(f"midstep_{name}{{")
    )


def lines(running: Live, journal: str) -> list[str]:
    """What a journal of the run holds."""
    return (running.folder / f"{journal}.jsonl").read_text().splitlines()


def until_users(running: Live, users: int) -> None:
    """Wait until centre and hosts both count so many."""
    running.until(
        lambda: count(running, "users") == count(running, "devices") == users, f"{users} users", 60
    )


EDGES = "edges=[{name: north, capacity: 64KiB}, {name: south, capacity: 64KiB}]"


def test_from_10_to_200_to_50_users_and_every_request_ends(
    ray_address: str, tmp_path: Path
) -> None:
    with live(
        tmp_path / "run", ray_address, *MANY, "--set", EDGES, "--users", "10", "--duration", "300s"
    ) as running:
        running.until_requests(5)
        answer = running.scale(200)
        assert (answer.returncode, answer.stdout) == (0, "200 users\n"), answer.stderr
        until_users(running, 200)
        _each_edge_has_its_own(running)
        running.until_requests(60)
        assert running.scale(50).returncode == 0
        until_users(running, 50)
        assert running.scale(7, "--edge", "west").returncode == 2
        _refused_without_the_token(running)
        endpoint = running.folder / "control.json"
        assert stat.S_IMODE(endpoint.stat().st_mode) == 0o600
        # all leave when they have what they asked for: then counts stand still
        assert running.scale(0).returncode == 0
        running.until(lambda: count(running, "devices") == 0, "nobody")
        lookups = count(running, "store_lookups_total")
        slot = len(lines(running, "slots"))
        running.until(lambda: len(lines(running, "slots")) > slot + 4, "two slots more")
        assert lookups == len(lines(running, "requests")), (
            "the edges were asked for more than the record has"
        )
        running.process.terminate()
        assert running.end(60) == 130
        assert not endpoint.exists()
    ended = running.scale(5)
    assert ended.returncode == 2 and "this run has ended" in ended.stderr
    rows, slots = read_run(running.folder)
    assert all(
        row["result"] == "done" or (row["result"] == "rejected" and row["error"]) for row in rows
    )
    # most of the others went while they were thinking
    assert len({row["user"] for row in rows}) > 40
    assert (
        slots[0]["users"] == slots[1]["users"] == 5 and max(slot["users"] for slot in slots) == 100
    )
    assert {row["edge"] for row in rows} == {slot["edge"] for slot in slots} == {"north", "south"}
    events = json.loads((running.folder / "summary.json").read_text())["run"]["events"]
    scaled = [event["text"] for event in events if event["text"].startswith("scaled")]
    assert scaled[:2] == [
        "scaled from 10 to 200 users",
        "scaled from 200 to 50 users",
    ]


def _each_edge_has_its_own(running: Live) -> None:
    """Store, learner, hosts and users."""
    targets = running.targets()
    assert {f"host-{n}" for n in range(6)} <= set(targets)  # 100 devices an edge, 40 a host
    for name in ("north", "south"):
        assert scrape(targets[name])[f'midstep_store_capacity_bytes{{edge="{name}"}}'] == 65536
        assert f'midstep_backlog_seconds{{edge="{name}"}}' in scrape(targets[f"learner-{name}"])
        assert scrape(targets["orchestrator"])[f'midstep_users{{edge="{name}"}}'] == 100


def _refused_without_the_token(running: Live) -> None:
    endpoint = json.loads((running.folder / "control.json").read_text())
    with grpc.insecure_channel(endpoint["address"]) as channel:
        for metadata in (None, (("authorization", "Bearer guess"),)):
            with pytest.raises(grpc.RpcError) as refused:
                run_pb2_grpc.RunStub(channel).Scale(
                    run_pb2.ScaleRequest(users=1), metadata=metadata, timeout=10
                )
            assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
