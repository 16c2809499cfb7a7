"""Runs with start pictures: stages and steps add up."""

from __future__ import annotations

from pathlib import Path

import pytest

from midstep.scenario_file import parse
from orchestrator.live.launch import Options
from orchestrator.live.run import run
from orchestrator.records import steps
from orchestrator.records.run_reader import read_run
from tests.user_agent.starting import scenario


def test_a_run_with_start_pictures_adds_up(tmp_path: Path) -> None:
    assert run(scenario(), Options(out=str(tmp_path / "run"), report=False)) == 0
    rows, _ = read_run(tmp_path / "run")
    done = [one for one in rows if one["result"] == "done"]
    begun = [one for one in done if one["strength"] is not None]
    assert 0 < len(begun) < len(done) == len(rows)
    assert not steps.faults(done, 10)
    for one in done:
        whole = 10 if one["strength"] is None else 6
        assert one["edge_steps"] + one["saved_steps"] + one["device_steps"] == whole
        assert (one["uplink_s"] is None) == (one["strength"] is None)
        parts = ("uplink_s", "queue_s", "edge_s", "transfer_s", "device_s", "overhead_s")
        assert sum(one[part] or 0.0 for part in parts) == pytest.approx(one["total_s"])
    # who asks for the shared picture itself has it bit for bit, from the same start
    plain = [one for one in begun if one["prompt"] == one["edge_prompt"] and one["psnr_db"]]
    assert plain and all(one["psnr_db"] == 100 for one in plain)
    assert {one["reuse"] for one in begun} > {"computed"}
    keys = {(one["prompt_key"], one["start_digest"], one["edge_prompt"]) for one in done}
    assert len({key for key, *_ in keys}) == len(keys)


def test_a_limit_before_the_first_step_asks_for_the_prompt_in_full(tmp_path: Path) -> None:
    tree = scenario().model_dump(by_alias=True)
    tree["workload"]["start"]["strength"] = 0.3  # the last 3 steps; limits are model.split_step, 6
    tree["workload"]["plain_share"] = 0
    tree["workload"]["start"]["share"] = 0.5
    tree["duration_s"] = 4
    assert run(parse(tree), Options(out=str(tmp_path / "run"), report=False)) == 0
    done = [one for one in read_run(tmp_path / "run")[0] if one["result"] == "done"]
    assert {one["strength"] for one in done} == {None, 0.3}
    for one in done:
        assert (one["edge_prompt"] == one["prompt"]) == (one["strength"] is not None)
        assert one["core_prompt"] == (None if one["strength"] is None else one["core_prompt"])
    assert not steps.faults(done, 10)
