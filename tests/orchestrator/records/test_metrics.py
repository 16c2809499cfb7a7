"""One vocabulary of metrics, for runs, simulations of both kinds, replays and figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from midstep.scenario_file import parse
from midstep.wire.messages import HITS
from midstep.wire.messages_control import Access
from orchestrator.cli import main
from orchestrator.evaluation.simulator import presets
from orchestrator.evaluation.simulator.closed import _quantile
from orchestrator.evaluation.simulator.command import run as simulate
from orchestrator.live.launch import Options
from orchestrator.live.run import run
from orchestrator.records.metrics import METRICS, markdown, tail
from tests import paced

SMALL = ["users=3", "requests_per_user=4"]


def of_run(folder: Path) -> set[str]:
    assert run(parse(paced.tree(duration_s=5)), Options(out=str(folder))) == 0
    return names(folder)


def of_replay(folder: Path) -> set[str]:
    keys = folder.with_suffix(".txt")
    keys.write_text("a\nb\na\n")
    command = ["replay", str(keys), "--capacity", "1", "--policies", "lru", "--out", str(folder)]
    assert main(command) == 0
    return names(folder)


def of_preset(name: str, *settings: str) -> set[str]:
    preset = presets.find(name, [*SMALL, *settings])
    return set(simulate(preset, ["lru"], [0], 10, 2)["lru"])


def names(folder: Path) -> set[str]:
    tree: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return set(next(iter(tree["policies"].values())))


def test_every_name_is_in_the_vocabulary_of_its_source(tmp_path: Path) -> None:
    sources = {
        "run": [of_run(tmp_path / "run")],
        "replay": [of_replay(tmp_path / "replay")],
        "closed": [of_preset("compact"), of_preset("compact", "edge=shared")],
        "open": [of_preset("full", "items=60", "capacity=10")],
    }
    for source, sets in sources.items():
        vocabulary = {metric.name for metric in METRICS.values() if source in metric.sources}
        assert set().union(*sets) == vocabulary, source


def test_units_are_the_endings_of_the_names() -> None:
    units = {name: METRICS[name].unit for name in ("p95_s", "queue_ms", "psnr_db", "hit_ratio")}
    assert units == {"p95_s": "s", "queue_ms": "ms", "psnr_db": "dB", "hit_ratio": "1"}
    assert METRICS["rows_per_s"].unit == "1/s"


def test_the_documentation_has_the_same_table() -> None:
    text = (Path(__file__).parents[3] / "docs" / "record.md").read_text()
    assert markdown(METRICS.values()) in text


def test_hits_are_one_and_the_same_kinds() -> None:
    hits = [
        kind
        for kind in HITS
        if Access(
            request_id="",
            prompt_key="k",
            prompt="p",
            step=1,
            nbytes=1,
            reuse=kind,
            at_s=0.0,
            edge_s=0.0,
        ).hit
    ]
    assert hits == ["exact", "similar", "final"]
    assert not Access(
        request_id="",
        prompt_key="k",
        prompt="p",
        step=1,
        nbytes=1,
        reuse="shared",
        at_s=0.0,
        edge_s=0.0,
    ).hit


def test_of_few_requests_the_largest_is_told() -> None:
    few = {"p95_s": {"mean": None}, "largest_s": {"mean": 9.0}, "requests": {"mean": 42.0}}
    assert tail(few) == ("largest of 42", 9.0)
    assert tail({**few, "p95_s": {"mean": 4.0}}) == ("p95", 4.0)


def test_a_histograms_last_bin_has_no_upper_bound() -> None:
    histogram = np.zeros((3, 400), np.int64)
    histogram[0, [10, 20]] = 50
    histogram[1, 10] = 1
    histogram[1, 399] = 99
    p50, p99 = (_quantile(histogram, share) for share in (0.5, 0.99))
    assert p50[0] == pytest.approx(1e-4 * 1.03**11) and p99[0] == pytest.approx(1e-4 * 1.03**21)
    assert np.isnan(p50[1]) and np.isnan(p99[1])  # fault 17: it was 13.6 s
    assert np.isnan(p50[2])  # nothing was counted
