"""The simulator against virtual time of the same scenario, request by request: two roads that share
the draws and the policies, and neither's life of a request."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from midstep.reuse.likeness import SAME_OBJECT, SAME_SCENE, UNRELATED
from midstep.reuse.limits import BOTH, POSITION, SIZE, VARIATION
from midstep.reuse.table import Cell
from midstep.scenario import Scenario
from midstep.scenario_file import load, parse
from orchestrator.evaluation.simulator.events import simulate
from orchestrator.live.launch import Options
from orchestrator.live.run import run
from orchestrator.records import report
from orchestrator.records.run_reader import read_run
from tests import paced
from tests.golden.cases import RUNS
from tests.midstep.reuse.measured import table

Row = dict[str, Any]

VIRTUAL = [
    "modes.denoiser=paced",
    "modes.clock=virtual",
    "modes.wire=inprocess",
    "model.profile=cpu",
    "report.references=0",
]
# of this process, or lateness, which only what really waits has
NOT_COMPARED = {"late_s", "transfer_late_s", "device_late_s"}
SAME_S = 1e-6  # nothing in a row was off by more than 1e-12: sums in another order


@pytest.fixture(autouse=True)
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks at the report of these runs, and its plots take longer than they do."""
    monkeypatch.setattr(report, "write", lambda folder: folder / "report.html")


def virtual(scenario: Scenario, folder: Path) -> tuple[list[Row], list[Row]]:
    assert run(scenario, Options(out=str(folder))) == 0
    return read_run(folder)


def differences(simulated: list[Row], ran: list[Row], *names: str) -> list[str]:
    """Which columns of which rows differ, the rows being matched by `names`."""
    pairs = [{tuple(row[name] for name in names): row for row in rows} for rows in (simulated, ran)]
    assert pairs[0].keys() == pairs[1].keys()
    return [
        f"{key}.{column}: {pairs[0][key][column]} simulated, {value} in virtual time"
        for key, row in pairs[1].items()
        for column, value in row.items()
        if column not in NOT_COMPARED and not _same(pairs[0][key][column], value)
    ]


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return one == pytest.approx(other, rel=SAME_S, abs=SAME_S)
    return bool(one == other)


@pytest.fixture(scope="module")
def limits(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A table of reuse with limits that differ: a size 6, a position 12, a variation 9, the core
    prompt itself 20; of other prompts' outputs 12, 9 and 6."""
    wrong = {(SIZE, 7): 300, (POSITION, 13): 300, (BOTH, 13): 300, (VARIATION, 10): 300}
    like = {SAME_OBJECT: 12, SAME_SCENE: 9, UNRELATED: 6}
    measured = table(wrong)
    cells = tuple(
        Cell.of(kind, step, "fidelity", [1.0 if step <= last else 0.0] * 400)
        for kind, last in like.items()
        for step in range(1, measured.steps)
    )
    path = tmp_path_factory.mktemp("limits") / "reuse.json"
    replace(measured, cells=measured.cells + cells).save(path)
    return str(path)


@pytest.mark.parametrize(
    ("name", "policy", "rule", "settings"),
    [
        ("laptop", "lru", "fixed", ["duration_s=30s"]),
        ("laptop", "none", "considerate", ["duration_s=10s"]),
        ("saturated", "none", "limit", ["duration_s=10s"]),
        ("saturated", "s3-fifo", "considerate", ["duration_s=10s", "policy.admission=slot"]),
        ("saturated", "split", "considerate", ["duration_s=6s"]),
        ("saturated", "final", "limit", ["duration_s=6s"]),
        (
            "saturated",
            "lru",
            "limit",
            ["duration_s=10s", "workload.arrivals={mmpp: {}}", "policy.steps_per_prompt=several"],
        ),
        (
            "laptop",
            "lru",
            "fastest",
            ["duration_s=10s", "devices.0={count: 9, step_ms: 400, receive_nj_per_bit: 50}"],
        ),
        ("crowd", "lru", "fastest", ["duration_s=5s", "workload.arrivals.closed.think_s=8s"]),
        # what a learner sees differs by last bits, which turn none of its decisions here
        ("laptop", "drc", "planned", ["duration_s=12s"]),
        ("saturated", "drc", "planned", ["duration_s=10s"]),
        ("saturated", "drc-item", "planned", ["duration_s=10s"]),
        ("crowd", "drc-item", "planned", ["duration_s=4s"]),
    ],
)
def test_both_roads_meet_the_same_requests_and_answer_alike(
    name: str, policy: str, rule: str, settings: list[str], limits: str, tmp_path: Path
) -> None:
    scenario = load(
        name,
        [f"policy.name={policy}", f"cut.rule={rule}", f"reuse.table={limits}", *VIRTUAL, *settings],
    )
    requests, slots = virtual(scenario, tmp_path)
    simulated = simulate(scenario)
    assert len(requests) > 15
    assert not differences(simulated.requests, requests, "request_id")
    assert not differences(simulated.slots, slots, "slot", "edge")
    done = [row for row in requests if row["result"] == "done"]
    assert all(row["cut_step"] <= row["reuse_limit"] for row in done)
    if rule != "fixed" and policy != "final":
        assert len({row["cut_step"] for row in done}) > 1


ODD: dict[str, Row] = {
    # some give up, alone or of several that share an output: a trajectory goes no further than
    # those who are left need
    "deadline": {
        "deadline_s": 0.1537,
        "duration_s": 4,
        "cut": {"rule": "limit"},
        "policy": {"name": "lru", "steps_per_prompt": "several"},
        "edges": [{"capacity": "64KiB", "staging": "64KiB", "queue_limit": 6, "max_batch": 2}],
        "workload": {"catalogue_size": 5, "arrivals": {"poisson": {"per_user_per_minute": 120}}},
        "devices": [{"count": 30}],
    },
    # what nobody waits for any more leaves the queue
    "queue-deadline": {
        "deadline_s": 0.1537,
        "duration_s": 3,
        "cut": {"rule": "limit"},
        "edges": [{"capacity": "64KiB", "staging": "64KiB", "queue_limit": 6, "max_batch": 1}],
        "workload": {"catalogue_size": 20, "arrivals": {"poisson": {"per_user_per_minute": 120}}},
        "devices": [{"count": 30}],
    },
    "queue": {
        "duration_s": 6,
        "edges": [{"capacity": "64KiB", "staging": "64KiB", "queue_limit": 3, "max_batch": 2}],
        "workload": {"catalogue_size": 200, "arrivals": {"closed": {"think_s": 0.05}}},
        "devices": [{"count": 60}],
    },
    # its last slot is cut short, and requests are cut off at its end
    "cut": {
        "duration_s": 4.35,
        "slot_seconds": 0.7,
        "edges": [{"capacity": "64KiB", "staging": "64KiB", "max_batch": 2}],
        "workload": {"catalogue_size": 200, "arrivals": {"poisson": {"per_user_per_minute": 100}}},
        "devices": [
            {"count": 12, "speed_ratio": 0.2},
            {"class": "slow", "count": 4, "speed_ratio": 0.02},
        ],
        "channel": {"frame_bytes": None},
    },
}


ODD_ERRORS = {
    "deadline": "no output within the deadline of 0.1537 s",
    "queue-deadline": "the queue is full: 6 requests wait, the limit is 6",
    "queue": "the queue is full: 3 requests wait, the limit is 3",
    "cut": "it was stopped before it was finished",
}


@pytest.mark.parametrize("name", ["gdsf-private", "lfu-decay-timeline", "final", *ODD])
def test_odd_scenarios_are_played_alike(name: str, limits: str, tmp_path: Path) -> None:
    """Private requests, a timeline, whole pictures, deadlines, a full queue, a run cut short."""
    tree = RUNS[name]() if name in RUNS else paced.tree(**{"policy": {"name": "lru"}, **ODD[name]})
    scenario = parse({**tree, "reuse": {"table": limits}})
    requests, slots = virtual(scenario, tmp_path)
    simulated = simulate(scenario)
    if name in ODD:
        assert ODD_ERRORS[name] in {row["error"] for row in requests}
    assert not differences(simulated.requests, requests, "request_id")
    assert not differences(simulated.slots, slots, "slot", "edge")


def like(policy: Row, similar: Row, **changes: Any) -> Row:
    """Sixteen users who ask for 80 prompts, of which a store of 4 outputs has few."""
    arrivals = {"poisson": {"per_user_per_minute": 60}}
    workload = {"catalogue_size": 80, "arrivals": arrivals, **changes.pop("workload", {})}
    settings = {
        "duration_s": 8,
        "edges": [{"capacity": "32KiB", "staging": "64KiB"}],
        "devices": [{"count": 16}],
        "cut": {"rule": "considerate"},
        **changes,
    }
    return paced.tree(policy=policy, reuse=similar, workload=workload, **settings)


LIKE: dict[str, Row] = {
    "private": like(
        {"name": "lru", "steps_per_prompt": "several"},
        {"similar": "fixed", "similar_params": {"threshold": 0.4, "step": 12}},
        workload={"private_share": 0.2, "variation_share": 0.2},
    ),
    "nearest": like(
        {"name": "s3-fifo", "admission": "slot"},
        {
            "similar": "ramp",
            "similar_params": {"threshold": 0.2, "least": 18, "share": 0.9},
            "privacy": "core",
        },
    ),
    # no room to go on from a donor: it is handed over as it is
    "queue": like(
        {"name": "lru"},
        {"similar": "any", "similar_params": {"step": 7}},
        edges=[{"capacity": "32KiB", "staging": "64KiB", "queue_limit": 2, "max_batch": 1}],
        cut={"rule": "limit"},
    ),
    # several steps of a prompt wait, and are held, at once
    "planner": like(
        {"name": "lfu-decay", "steps_per_prompt": "several"},
        {"similar": "calibrated", "share": 0.95},
        workload={"catalogue_size": 24},
        edges=[{"capacity": "80KiB", "staging": "256KiB", "max_batch": 2}],
    ),
    # whole prompts: each wants its own picture up to the last step
    "whole": like(
        {"name": "lru", "steps_per_prompt": "several"},
        {"similar": "any", "similar_params": {"step": 12}},
        workload={"core": "whole", "variation_share": 0.2},
    ),
    # a prompt that the plan names is made, whatever else would serve
    "drc": like({"name": "drc"}, {"similar": "calibrated", "share": 0.98}, cut={"rule": "planned"}),
}


@pytest.mark.parametrize("name", LIKE)
def test_other_prompts_outputs_serve_alike(name: str, limits: str, tmp_path: Path) -> None:
    tree = LIKE[name]
    scenario = parse({**tree, "reuse": {**tree["reuse"], "table": limits}})
    requests, slots = virtual(scenario, tmp_path)
    simulated = simulate(scenario)
    assert not differences(simulated.requests, requests, "request_id")
    assert not differences(simulated.slots, slots, "slot", "edge")
    similarity = {row["request_id"]: row["similarity"] for row in simulated.requests}
    assert all(similarity[row["request_id"]] == row["similarity"] for row in requests)  # to the bit
    served = {row["reuse"] for row in requests if row["donor_key"] is not None}
    assert served == {"similar", "resumed"}
    if name == "queue":
        early = [row for row in requests if row["cut_step"] is not None]
        early = [row for row in early if row["cut_step"] < row["reuse_limit"]]
        assert "similar" in {row["reuse"] for row in early}


@pytest.mark.parametrize("arrivals", ["poisson: {}", "closed: {}"])
def test_a_runs_requests_are_met_again_by_events(arrivals: str, tmp_path: Path) -> None:
    """Played again under its own policy, a recorded run is itself; the catalogue is not asked."""
    settings = [*VIRTUAL, "duration_s=10s", "policy.name=lru", f"workload.arrivals={{{arrivals}}}"]
    requests, _ = virtual(load("laptop", settings), tmp_path / "run")
    again = load("laptop", [*settings, f"workload.trace={tmp_path / 'run'}", "seed=7"])
    assert not differences(simulate(again).requests, requests, "request_id")


@pytest.mark.parametrize("arrivals", [{"poisson": {"per_user_per_minute": 30}}, {"closed": {}}])
def test_a_recorded_run_with_a_gap_is_met_again_on_both_roads(
    arrivals: Row, tmp_path: Path
) -> None:
    """A user whose request a run has lost goes on with the next number."""

    def scenario(**workload: Any) -> Scenario:
        devices = [{"count": 4, "speed_ratio": 1.0}]
        changes = {"policy": {"name": "lru"}, "devices": devices, "workload": workload}
        return parse(paced.tree(**changes, duration_s=20))

    source = tmp_path / "run"
    ran, _ = virtual(scenario(catalogue_size=20, arrivals=arrivals), source)
    rows = [row for row in ran if _number(row) != 1]
    (source / "requests.parquet").unlink()
    (source / "requests.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    again = scenario(trace=str(source))
    requests, _ = virtual(again, tmp_path / "again")
    assert {row["request_id"] for row in requests} == {row["request_id"] for row in rows}
    assert max(_number(row) for row in rows) > 1
    assert not differences(simulate(again).requests, requests, "request_id")


@pytest.mark.parametrize("slot_seconds", [1.0, 0.1])
def test_slotted_users_ask_for_the_same_on_both_roads_and_not_at_the_end(
    slot_seconds: float, tmp_path: Path
) -> None:
    """Who comes first of those that come at once is not the same, and so neither are answers."""
    arrivals = ["workload.arrivals={slotted: {}}", f"slot_seconds={slot_seconds}"]
    scenario = load("laptop", ["policy.name=lru", *VIRTUAL, *arrivals, "duration_s=3s"])
    asked = [
        {(row["request_id"], row["due_s"], row["prompt"]) for row in rows}
        for rows in (simulate(scenario).requests, virtual(scenario, tmp_path)[0])
    ]
    assert asked[0] == asked[1]
    assert len(asked[0]) == scenario.users * round(3 / slot_seconds)


def _number(row: Row) -> int:
    """The number of a request among its user's."""
    return int(row["request_id"].rpartition("-")[2])
