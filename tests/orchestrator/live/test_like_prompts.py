"""A run in virtual time whose requests other prompts' outputs may serve."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from midstep.errors import ScenarioError
from midstep.scenario_file import parse
from orchestrator.evaluation.simulator.events.refusals import check as check_simulated
from orchestrator.live.launch import Options, check
from orchestrator.live.run import run
from orchestrator.records.run_reader import read_run
from tests import paced

POISSON = {"catalogue_size": 40, "arrivals": {"poisson": {"per_user_per_minute": 40}}}
ANY = {"similar": "any", "similar_params": {"step": 8}}


def played(folder: Path, policy: str, **reuse: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    tree = paced.tree(policy={"name": policy}, workload=POISSON, reuse={**ANY, **reuse})
    assert run(parse(tree), Options(out=str(folder), quiet=True, report=False)) == 0
    rows = [row for row in read_run(folder)[0] if row["result"] == "done"]
    return rows, json.loads((folder / "summary.json").read_text())


@pytest.mark.parametrize("policy", ["lru", "drc-item"])
def test_rows_of_every_kind_add_up_and_name_their_donors(tmp_path: Path, policy: str) -> None:
    rows, summary = played(tmp_path / "run", policy)
    kinds = Counter(row["reuse"] for row in rows)
    assert kinds["similar"] and kinds["exact"] and kinds["computed"]
    assert summary["verdict"] == "VALID"  # steps.faults: every row's steps add up
    prompts = {row["prompt_key"]: row["edge_prompt"] for row in rows}
    donated = [row for row in rows if row["donor_key"] is not None]
    assert all(row["donor_prompt"] == prompts[row["donor_key"]] for row in donated)
    assert all(row["donor_prompt"] != row["edge_prompt"] for row in donated)
    assert {row["likeness"] for row in donated} > {"same scene"}
    assert all(row["reused_step"] <= min(8, row["reuse_limit"]) for row in donated)
    similar = summary["policies"][policy]["similar_ratio"]["mean"]
    assert similar == pytest.approx(len(donated) / len(rows))


def test_a_rule_or_a_floor_that_cannot_be_is_refused_before_anything_starts() -> None:
    for reuse, text in (
        ({"similar": "nearest"}, r"reuse\.similar: there is no rule nearest"),
        ({"similar": "any", "similar_params": {"stop": 3}}, r"similar_params\.stop"),
    ):
        with pytest.raises(ScenarioError, match=text):
            check(parse(paced.tree(reuse=reuse)), Options())
    devices = [{"quality": {"metric": "ssim", "floor": 1.5}}]
    with pytest.raises(ScenarioError, match=r"devices\.0\.quality.*ssim is 1 at most"):
        parse(paced.tree(devices=devices))


def test_simulated_and_coupled_edges_say_in_a_line_what_they_do_not_have() -> None:
    check_simulated(parse(paced.tree(reuse=ANY)))
    with pytest.raises(ScenarioError, match=r"reuse\.similar: there is no rule nobody"):
        check_simulated(parse(paced.tree(reuse={"similar": "nobody"})))
    with pytest.raises(ScenarioError, match=r"devices\.0\.quality: the simulator does not have it"):
        check_simulated(parse(paced.tree(devices=[{"quality": {"metric": "ssim"}}])))
    coupled = {
        "modes": {**paced.TREE["modes"], "edge": "coupled"},
        "policy": {"name": "drc-paper", "timing": "reactive"},
        "workload": {"catalogue_size": 20, "arrivals": {"slotted": {"per_user": 2}}},
    }
    parse(paced.tree(**coupled))
    with pytest.raises(ScenarioError, match=r"reuse\.similar: any: where modes.edge is coupled"):
        parse(paced.tree(**coupled, reuse=ANY))
