"""Store and staging add up after every change of live runs: in-process, in virtual time, with a
policy of every kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge_node.cache.integrity import IntegrityCheck
from edge_node.edge import Edge
from midstep.scenario_file import parse
from midstep.wire.messages_control import CacheUpdate, CacheUpdateResult
from orchestrator.live.launch import Options
from orchestrator.live.run import run
from tests import paced

POISSON = {"catalogue_size": 40, "arrivals": {"poisson": {"per_user_per_minute": 40}}}
EDGES = [
    {"name": "station", "capacity": "32KiB", "staging": "64KiB"},
    {"name": "campus", "capacity": "96KiB", "staging": "16KiB"},
]


@pytest.mark.parametrize(
    "changes",
    [
        {"policy": {"name": "lru"}, "workload": POISSON},
        {"policy": {"name": "s3-fifo", "admission": "slot"}, "edges": EDGES},
        {"policy": {"name": "greedy"}, "workload": POISSON},
        {"policy": {"name": "final"}, "workload": {"catalogue_size": 2}},
    ],
    ids=lambda changes: changes["policy"]["name"],
)
def test_a_live_run_never_leaves_its_caches_in_disorder(
    changes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = 0

    def check_everything(self: IntegrityCheck, changes: int) -> None:
        nonlocal checks
        checks += 1
        self.check()

    monkeypatch.setattr(IntegrityCheck, "changed", check_everything)
    tree = paced.tree(duration_s=15, **changes)
    assert run(parse(tree), Options(out=str(tmp_path / "run"))) == 0
    assert checks > 10


def test_a_run_whose_store_does_not_add_up_ends_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    apply = Edge.apply

    async def lose_a_byte(self: Edge, update: CacheUpdate) -> CacheUpdateResult:
        self.store._bytes -= 1  # type: ignore[attr-defined]
        return await apply(self, update)

    monkeypatch.setattr(Edge, "apply", lose_a_byte)
    assert run(parse(paced.tree(duration_s=30)), Options(out=str(tmp_path / "run"))) == 3
    error = capsys.readouterr().err
    assert "edge-0 failed: the store counts" in error and "Traceback" not in error
