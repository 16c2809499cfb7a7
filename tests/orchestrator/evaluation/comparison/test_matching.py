"""Which requests of two runs are the same, and the paired difference, by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from midstep.scenario_file import parse
from orchestrator.cli import main
from orchestrator.evaluation.comparison.differences import paired
from orchestrator.evaluation.comparison.matching import match
from orchestrator.live.launch import Options
from orchestrator.live.run import run
from tests import paced

POISSON = {"catalogue_size": 20, "arrivals": {"poisson": {"per_user_per_minute": 60}}}


def row(number: int, at_s: float, total_s: float | None = 1.0, **more: Any) -> dict[str, Any]:
    return {
        "request_id": f"00000-{number:05d}",
        "user": 0,
        "prompt": f"p{number}",
        "variation_seed": None,
        "arrived_s": at_s,
        "result": "failed" if total_s is None else "done",
        "reuse": "computed",
        "saved_steps": 0,
        "total_s": total_s,
        **{f"{stage}_s": 0.1 for stage in ("queue", "edge", "transfer", "device", "overhead")},
        **more,
    }


def test_a_request_is_the_same_at_the_same_instant_for_the_same_prompt() -> None:
    first = [row(n, float(n)) for n in range(4)]
    second = [row(0, 0.01), row(1, 1.3), row(2, 2.0, prompt="another")]
    matching = match(first, second)
    assert [pair[0]["request_id"] for pair in matching.pairs] == ["00000-00000"]
    assert matching.share == 0.25 and not matching.same
    assert matching.line() == (
        "1 of 4 requests are the same (1 came at another instant, 1 ask for something else, 1 are "
        "in one run only)"
    )


def test_due_instants_decide_where_both_have_them() -> None:
    late = row(0, 3.0, due_s=1.0)
    assert match([row(0, 1.0, due_s=1.0)], [late]).same  # noticed late, but due at once
    assert not match([row(0, 1.0, due_s=1.0)], [{**late, "due_s": 1.01}]).same
    assert not match([row(0, 1.0)], [late]).same  # one without: by arrival


def test_the_paired_difference_by_hand() -> None:
    first = [row(0, 0.0, 2.0), row(1, 1.0, 4.0), row(2, 2.0, None)]
    second = [
        row(1, 1.0, 3.0, reuse="exact", saved_steps=6),
        row(0, 0.0, 1.5),
        row(2, 2.0, 9.0),  # the first run did not finish it: it counts in neither
    ]
    by_name = {one.metric: one for one in paired(match(first, second))}
    response = by_name["response_per_request_ms"]
    assert (response.first, response.second, response.mean) == (3000.0, 2250.0, -750.0)
    assert response.requests == 2 and response.half is None and response.clear is None
    assert by_name["hit_ratio"].mean == 0.5 and by_name["saved_steps"].mean == 3.0
    assert by_name["stage_edge_ms"].mean == 0.0
    assert "cut_step" not in by_name  # of neither


def test_steps_and_fidelity_are_paired_where_both_runs_have_them() -> None:
    old = {"edge_steps": 6, "saved_steps": 0}  # from before there was a column for the cut
    resumed = {"reuse": "resumed", "edge_steps": 4, "saved_steps": 6, "cut_step": 10}
    first = [row(0, 0.0, **old, fidelity=1.0), row(1, 1.0, **old)]
    second = [row(0, 0.0, **resumed, fidelity=0.0), row(1, 1.0, **resumed, fidelity=1.0)]
    by_name = {one.metric: one for one in paired(match(first, second))}
    gaps = {name: by_name[name].mean for name in ("partial_ratio", "edge_steps", "cut_step")}
    assert gaps == {"partial_ratio": 1.0, "edge_steps": -2.0, "cut_step": 4.0}
    assert (by_name["fidelity"].mean, by_name["fidelity"].requests) == (-1.0, 1)


def test_the_interval_is_of_the_differences_not_of_the_values() -> None:
    noise = np.random.default_rng(1)
    loads = noise.exponential(5.0, 400)
    first = [row(n, float(n), float(loads[n])) for n in range(400)]
    second = [row(n, float(n), float(loads[n] - 0.2 + 0.1 * noise.random())) for n in range(400)]
    gap = next(one for one in paired(match(first, second)) if one.metric.startswith("response"))
    assert gap.mean == pytest.approx(-150, abs=5)
    assert gap.half is not None and gap.half < 6 and gap.clear  # unpaired it is about 700


def play(folder: Path, policy: str, **changes: Any) -> str:
    tree = paced.tree(duration_s=20, policy={"name": policy}, **changes)
    assert run(parse(tree), Options(out=str(folder), quiet=True, report=False)) == 0
    return str(folder)


def test_compare_pairs_open_arrivals_and_says_that_closed_ones_differ(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [play(tmp_path / name, name, workload=POISSON) for name in ("none", "lru")]
    assert capsys.readouterr().out == ""  # quiet
    assert not (tmp_path / "lru" / "report.html").exists()
    assert main(["compare", *runs, "--out", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert "requests are the same." in out and "Paired request by request" in out
    assert "The scenarios differ in policy.name." in out
    table = (tmp_path / "out" / "compare.csv").read_text().splitlines()
    assert table[1].startswith("lru,none,response_per_request_ms,ms,")
    assert "lru less none" in (tmp_path / "out" / "compare.html").read_text()
    assert main(["compare", *runs, "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().out == "", "refused before anything is printed"
    missing = [runs[0], str(tmp_path / "nothing"), "--out", str(tmp_path / "new")]
    assert main(["compare", *missing]) == 2 and not (tmp_path / "new").exists()
    closed = [play(tmp_path / f"closed-{name}", name) for name in ("none", "lru")]
    assert main(["compare", *closed]) == 0
    out = capsys.readouterr().out
    assert "came at another instant" in out and "nothing is paired" in out


def test_compare_wants_two_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(tmp_path)]) == 2
    assert "give at least two runs' folders" in capsys.readouterr().err
    assert main(["compare", str(tmp_path), str(tmp_path / "b")]) == 2
    assert "no run is in there" in capsys.readouterr().err
