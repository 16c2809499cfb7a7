"""Runs whose rows must stay equal while the house is rebuilt: what is played, and what of it is
compared."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from midstep.scenario_file import parse
from orchestrator.evaluation.replay import replay
from orchestrator.evaluation.simulator import presets
from orchestrator.evaluation.simulator.command import simulate
from orchestrator.live.launch import Options
from orchestrator.live.run import run
from orchestrator.records.run_reader import read_run
from tests import paced, tiny

Tree = dict[str, Any]
NOT_COMPARED = {"process_id", "decision_s"}  # nothing in virtual time


def _scenario(name: str, **changes: Any) -> Callable[[], Tree]:
    settings = {"name": name, **changes.pop("policy", {})}
    return lambda: paced.tree(policy=settings, **changes)


def _real() -> Tree:
    return paced.tree(
        duration_s=6,
        model={
            "path": str(tiny.folder("sd")),
            "steps": 4,
            "split_step": 2,
            "profile": paced.profile_file(),
        },
        modes={"clock": "virtual", "denoiser": "real", "wire": "inprocess"},
        workload={"catalogue_size": 10, "variation_share": 0.2},
        report={"references": 4},
    )


POISSON = {"catalogue_size": 40, "arrivals": {"poisson": {"per_user_per_minute": 40}}}
EDGES = [
    {"name": "station", "capacity": "32KiB", "staging": "256KiB"},
    {"name": "campus", "capacity": "96KiB", "staging": "256KiB"},
]
TIMELINE = [
    {"at_s": 8, "users": 9},
    {"at_s": 20, "users": 3},
]

RUNS: dict[str, Callable[[], Tree]] = {
    "lru-access": _scenario("lru"),
    "s3-fifo-slot": _scenario("s3-fifo", policy={"admission": "slot"}, workload=POISSON),
    "gdsf-private": _scenario(
        "gdsf", workload={"catalogue_size": 12, "private_share": 0.2, "variation_share": 0.2}
    ),
    "lfu-decay-timeline": _scenario("lfu-decay", timeline=TIMELINE, workload=POISSON),
    "drc": _scenario("drc", duration_s=40, workload=POISSON, policy={"latency_target_s": 3.0}),
    "drc-item-two-edges": _scenario(
        "drc-item", edges=EDGES, workload=POISSON, devices=[{"class": "phone", "count": 6}]
    ),
    "final": _scenario("final", workload={"catalogue_size": 2}),
    "real": _real,
}

CLOSED = ["ncldc", "dnn", "oo", "drc-paper", "drc", "drc-item", "greedy", "lru"]
OPEN = ["none", "lru", "s3-fifo", "lfu-decay", "drc-item", "bayes", "informed"]
SMALL = ["items=600", "users=4", "requests_per_user=15", "capacity=60"]

SIMULATIONS: dict[str, tuple[list[str], list[str], int]] = {  # preset -> settings, policies, slots
    "literal": (["items=12", "requests_per_user=12", "users=4", "capacity=8"], CLOSED, 60),
    "compact": (["items=30", "users=6", "capacity=9"], CLOSED, 60),
    "full": ([*SMALL, "drift_swaps_per_slot=2.5"], OPEN, 80),
    "topics": ([*SMALL, "topics.parts=[10, 5, 4, 3]"], [*OPEN, "parts-ratio"], 80),
}
REPLAYED = [
    "none",
    "fifo",
    "lru",
    "lfu",
    "random",
    "gdsf",
    "lcbfu",
    "sieve",
    "s3-fifo",
    "lfu-decay",
    "drc-item",
    "clairvoyant",
]


def play_run(name: str, folder: Path) -> dict[str, list[Tree]]:
    """A scenario in virtual time: its request rows by id, its slot rows, and digests of its
    pictures."""
    tree = RUNS[name]()
    assert run(parse(tree), Options(out=str(folder))) == 0
    requests, slots = read_run(folder)
    requests.sort(key=lambda row: str(row["request_id"]))
    if (
        name == "real"
    ):  # a tiny model lies in another folder every time, and its name is in its revision's path
        _number_keys(requests)
    pictures = [
        {"file": path.name, "digest": hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()}
        for path in sorted((folder / "images").glob("*.png"))
    ]
    return {"requests": _compared(requests), "slots": _compared(slots), "pictures": pictures}


def play_simulation(name: str, folder: Path) -> Tree:
    """`policies` of summary.json."""
    settings, names, slots = SIMULATIONS[name]
    with contextlib.redirect_stdout(io.StringIO()):
        simulate(presets.find(name, settings), names, 2, slots, str(folder))
    return _policies(folder)


def play_replay(folder: Path) -> Tree:
    """`policies` of summary.json, without this machine's speed."""
    folder.mkdir(parents=True)
    trace = folder / "keys.txt"
    state = 1
    keys = []
    for _ in range(1500):  # a generator that is written down here: no library's
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        keys.append(str(int(60 ** ((state >> 33) / 2**31))))
    trace.write_text("\n".join(keys))
    with contextlib.redirect_stdout(io.StringIO()):
        replay(str(trace), [5, 20], REPLAYED, 3, str(folder / "out"))
    policies_metrics = _policies(folder / "out")
    for metrics in policies_metrics.values():
        del metrics["rows_per_s"]
    return policies_metrics


def _policies(folder: Path) -> Tree:
    policies: Tree = json.loads((folder / "summary.json").read_text())["policies"]
    return policies


def _compared(rows: list[Tree]) -> list[Tree]:
    return [
        {name: value for name, value in row.items() if name not in NOT_COMPARED} for row in rows
    ]


def _number_keys(requests: list[Tree]) -> None:
    numbers: dict[str, str] = {}
    for row in requests:
        row["prompt_key"] = numbers.setdefault(row["prompt_key"], str(len(numbers)))
