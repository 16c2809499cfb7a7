"""Whole runs in virtual time, in this process: what a run leaves is decided by its seed alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from midstep.errors import ScenarioError
from midstep.scenario_file import parse
from midstep.workload.arrivals import open_law
from orchestrator.live.launch import Options
from orchestrator.live.run import run
from orchestrator.records.run_reader import read_run
from tests import paced
from user_agent.host import DeviceHost

POISSON = {"catalogue_size": 20, "arrivals": {"poisson": {"per_user_per_minute": 20}}}


def rows_of(folder: Path, **changes: Any) -> list[dict[str, Any]]:
    assert run(parse(paced.tree(**changes)), Options(out=str(folder))) == 0
    return read_run(folder)[0]


def by_id(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: str(row["request_id"]))


def test_the_same_seed_leaves_the_same_rows_another_seed_others(tmp_path: Path) -> None:
    first = rows_of(tmp_path / "a")
    second = rows_of(tmp_path / "b")
    assert len(first) > 30
    assert by_id(first) == by_id(second)
    assert by_id(rows_of(tmp_path / "c", seed=8)) != by_id(first)


def test_every_row_adds_up(tmp_path: Path) -> None:
    rows = rows_of(tmp_path / "a")
    assert {row["reuse"] for row in rows} >= {"computed", "exact"}
    for row in rows:
        assert row["result"] == "done"
        assert row["edge_steps"] + row["saved_steps"] + row["device_steps"] == 20
        assert (row["edge_steps"] == 0) == (row["reuse"] != "computed")
        stages = sum(row[f"{s}_s"] for s in ("queue", "edge", "transfer", "device", "overhead"))
        assert stages == pytest.approx(row["total_s"], rel=0.01)
        assert row["transfer_s"] * row["link_rate_bps"] / (8 * row["frame_bytes"]) == pytest.approx(
            1, abs=0.001
        )
        # nothing but the modelled stages takes virtual time
        assert row["overhead_s"] == pytest.approx(0, abs=1e-9)


def test_hits_are_requests_of_an_edge_prompt_that_was_there_before(tmp_path: Path) -> None:
    prompts: set[str] = set()
    for row in sorted(rows_of(tmp_path / "a"), key=lambda r: r["arrived_s"]):
        assert row["reuse"] != "exact" or row["edge_prompt"] in prompts
        prompts.add(row["edge_prompt"])


def test_the_policies_ask_the_same_questions_and_answer_them_differently(tmp_path: Path) -> None:
    prompts_by_policy = {}
    hits = {}
    for name in ("none", "lru", "lfu", "final"):
        rows = rows_of(tmp_path / name, policy={"name": name})
        prompts_by_policy[name] = [
            r["prompt"]
            for r in sorted(rows, key=lambda r: r["request_id"])
            if r["request_id"].endswith("-00000")
        ]
        hits[name] = sum(r["saved_steps"] > 0 and r["reuse"] != "shared" for r in rows) / len(rows)
        if name == "final":
            assert {row["device_steps"] for row in rows} == {0}
            assert all(row["edge_prompt"] == row["prompt"] for row in rows)
    assert len({tuple(w) for w in prompts_by_policy.values()}) == 1
    assert hits["none"] == 0 and hits["lru"] > 0.05 and hits["lfu"] > 0.05
    # users' endings differ: the same picture is rarely asked for twice
    assert hits["final"] < hits["lru"]


def test_a_stream_of_prompts_is_prompts_by_policy_once_and_bad_ones_are_rejected(
    tmp_path: Path,
) -> None:
    prompts = ["a panda", "", "x" * 2001, "a panda", "a pig", "a panda", "a cow"]
    (tmp_path / "prompts").write_text("\n".join(prompts))
    rows = rows_of(tmp_path / "a", workload={"prompts": str(tmp_path / "prompts")}, duration_s=1000)
    assert sorted(row["prompt"] for row in rows) == sorted(prompts)
    rejected = {row["prompt"][:1]: row["error"] for row in rows if row["result"] == "rejected"}
    assert rejected == {
        "": "the prompt is empty",
        "x": "the prompt has 2001 characters, the limit is 2000",
    }
    assert sum(row["reuse"] in ("exact", "shared") for row in rows) == 2


def test_private_seeds_are_never_shared(tmp_path: Path) -> None:
    rows = rows_of(tmp_path / "a", workload={"catalogue_size": 2, "private_share": 1.0})
    assert {row["reuse"] for row in rows} == {"computed"}
    assert len({row["prompt_key"] for row in rows}) == len(rows)


@pytest.mark.parametrize("law", ["mmpp", "diurnal", "slotted"])
def test_a_run_asks_when_the_law_of_arrivals_says(law: str, tmp_path: Path) -> None:
    changes = {"workload": {"catalogue_size": 20, "arrivals": {law: {}}}, "duration_s": 10}
    rows = rows_of(tmp_path / "a", **changes)
    expected = open_law(parse(paced.tree(**changes)))
    for user in range(4):
        since_s = 0.0
        mine = [row for row in rows if row["user"] == user]
        for index, row in enumerate(sorted(mine, key=lambda r: r["request_id"])):
            arrival = expected.arrival(user, index, since_s)
            assert arrival is not None and row["due_s"] == arrival.due_s
            assert row["arrived_s"] == pytest.approx(arrival.due_s, abs=1e-9)
            since_s = arrival.due_s
        after = expected.arrival(user, len(mine), since_s)
        assert after is not None and after.due_s >= 10


def test_a_warm_up_is_recorded_and_not_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = rows_of(tmp_path / "a", workload=POISSON)
    rows = rows_of(tmp_path / "b", workload=POISSON, warmup_s="12.5s")
    assert by_id(rows) == by_id(whole)
    later = [row for row in rows if row["due_s"] >= 12.5]
    assert 0 < len(later) < len(rows)
    assert "(measured from 12.5 s on)" in capsys.readouterr().out
    summary = json.loads((tmp_path / "b" / "summary.json").read_text())
    (metrics,) = summary["policies"].values()
    assert metrics["requests"]["mean"] == len(later) == summary["fidelity"]["arrival"]["count"]
    hits = [row["reuse"] == "exact" for row in later]
    assert metrics["hit_ratio"]["mean"] == pytest.approx(sum(hits) / len(hits))
    slots = [slot for slot in read_run(tmp_path / "b")[1] if slot["start_s"] >= 12.5]
    queue_ms = 1e3 * sum(slot["queue_s"] for slot in slots) / len(slots)
    assert metrics["queue_ms"]["mean"] == pytest.approx(queue_ms)
    page = (tmp_path / "b" / "report.html").read_text()
    assert "the first 12.5 s recorded and not measured" in page
    with pytest.raises(ScenarioError, match="warmup_s: after 30 s nothing is left"):
        parse(paced.tree(warmup_s=30))


def test_open_arrivals_come_at_their_rate(tmp_path: Path) -> None:
    arrivals = {"poisson": {"per_user_per_minute": 20}}
    rows = rows_of(
        tmp_path / "a", workload={"catalogue_size": 20, "arrivals": arrivals}, duration_s=120
    )
    assert len(rows) == pytest.approx(4 * 20 * 2, rel=0.25)


def test_a_threshold_decides_the_exit_status(tmp_path: Path) -> None:
    scenario = parse(paced.tree(thresholds={"hit_ratio": {"min": 0.99}}))
    assert run(scenario, Options(out=str(tmp_path / "a"))) == 1


def test_the_references_are_shared_out_over_all_hosts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares: list[int] = []
    opened = DeviceHost.open.__func__  # type: ignore[attr-defined]

    async def watch(cls: type[DeviceHost], *args: Any, **options: Any) -> DeviceHost:
        shares.append(options["references"])
        host: DeviceHost = await opened(cls, *args, **options)
        return host

    monkeypatch.setattr(DeviceHost, "open", classmethod(watch))
    tree = paced.tree(duration_s=2, report={"references": 24})
    assert run(parse(tree), Options(out=str(tmp_path / "run"))) == 0
    assert shares == [12, 12]
