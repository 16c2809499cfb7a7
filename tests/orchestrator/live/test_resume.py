"""A run that learns, in virtual time; and one that goes on from what it left."""

import json
from pathlib import Path
from typing import Any

import pytest

from midstep.diffusion.pipelines import catalogue_file, locate, revision
from midstep.errors import MidstepError, OptionError, ScenarioError
from midstep.scenario_file import parse
from midstep.workload.catalogue import load_catalogue
from orchestrator.live import checkpoint
from orchestrator.live.launch import Options
from orchestrator.live.run import run
from orchestrator.live.setting import learner_setting, pipeline_revision, run_problem
from orchestrator.policies import Policy, base
from orchestrator.records.run_reader import read_run
from tests import paced
from tests.orchestrator.live.tiny_policy import Tiny, tiny

__all__ = ["tiny"]


def go(folder: Path, resume: Path | None = None, **changes: Any) -> dict[str, Any]:
    """Run in virtual time; the summary."""
    changes.setdefault("policy", {"name": "tiny", "admission": "slot"})
    scenario = parse(paced.tree(**changes))
    assert (
        run(scenario, Options(out=str(folder), resume=None if resume is None else str(resume))) == 0
    )
    summary: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return summary


def state(folder: Path) -> dict[str, Any]:
    return checkpoint.unpack((folder / "learner.ckpt").read_bytes())


def test_a_run_that_learns_leaves_loss_k_gap_and_its_state(
    tiny: type[Tiny], tmp_path: Path
) -> None:
    tight = [{"capacity": "24KiB", "staging": "256KiB"}]  # three outputs of twenty
    summary = go(tmp_path / "a", edges=tight)
    _, slots = read_run(tmp_path / "a")
    assert [slot["loss"] for slot in slots[:4]] == [None, 1.0, 0.5, pytest.approx(1 / 3)]
    assert {slot["k"] for slot in slots[1:]} == {3}
    gaps = [slot["gap_to_exact"] for slot in slots if slot["gap_to_exact"] is not None]
    assert len(gaps) > 5 and max(gaps) > 0 and min(gaps) >= 0
    busy = [
        slot["gap_to_exact"]
        for slot in slots
        if slot["requests"] and slot["gap_to_exact"] is not None
    ]
    assert summary["policies"]["tiny"]["gap_to_exact_by_slot"]["mean"] == pytest.approx(
        sum(busy) / len(busy)
    )
    assert summary["run"]["resumed_from"] is None
    page = (tmp_path / "a" / "report.html").read_text()
    assert "training loss" in page and "gap to exact" in page and "candidates K" in page
    left = state(tmp_path / "a")
    assert (
        left["policy"]["updates"] == len(slots)
        and left["backlog"]["queue_s"] == slots[-1]["queue_s"]
    )


def test_the_same_seed_learns_the_same(tiny: type[Tiny], tmp_path: Path) -> None:
    go(tmp_path / "a")
    go(tmp_path / "b")
    first, second = (read_run(tmp_path / name)[1] for name in ("a", "b"))
    assert first == second
    assert (tmp_path / "a" / "learner.ckpt").read_bytes() == (
        tmp_path / "b" / "learner.ckpt"
    ).read_bytes()


def test_a_resumed_run_goes_on_and_says_so(tiny: type[Tiny], tmp_path: Path) -> None:
    go(tmp_path / "a")
    before = state(tmp_path / "a")
    summary = go(tmp_path / "b", resume=tmp_path / "a", duration_s=5)
    assert summary["run"]["resumed_from"] == str(tmp_path / "a")
    assert (
        summary["run"]["events"][0]["text"]
        == f"the learner goes on from what {tmp_path / 'a'} left"
    )
    _, slots = read_run(tmp_path / "b")
    assert slots[1]["loss"] == pytest.approx(1 / (before["policy"]["updates"] + 1))
    after = state(tmp_path / "b")
    assert after["policy"]["updates"] == before["policy"]["updates"] + len(slots)
    assert after["backlog"]["target_s"] == before["backlog"]["target_s"] is not None
    assert all(
        after["policy"]["count"].get(key, 0) >= n for key, n in before["policy"]["count"].items()
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"policy": {"name": "lru"}}, "policy.name was 'tiny' there and is 'lru' here"),
        ({"workload": {"catalogue_size": 30}}, "catalogue was 20 there and is 30 here"),
        (
            {"model": {"profile": paced.profile_file(), "split_step": 5}},
            "model.split_step was 6 there and is 5 here",
        ),
        ({"seed": 8}, "seed was 7 there and is 8 here"),
    ],
)
def test_what_does_not_fit_is_one_line(
    tiny: type[Tiny], tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    go(tmp_path / "a", duration_s=3)
    with pytest.raises(OptionError, match=message) as raised:
        go(tmp_path / "b", resume=tmp_path / "a", **changes)
    assert raised.value.exit_status == 2 and "\n" not in str(raised.value)
    assert not (tmp_path / "b").exists()


def test_a_policy_that_needs_what_the_workload_has_not_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        base._REGISTRY, "needy", type("Needy", (Policy,), {"needs": frozenset({"closed"})})
    )
    (tmp_path / "prompts").write_text("a panda\n")
    with pytest.raises(ScenarioError, match="needy needs a closed catalogue, and this one is open"):
        go(
            tmp_path / "a",
            policy={"name": "needy"},
            workload={"prompts": str(tmp_path / "prompts")},
        )
    with pytest.raises(ScenarioError, match="reactive plans for requests that wait"):
        go(tmp_path / "a", policy={"name": "lru", "timing": "reactive"})
    go(tmp_path / "a", policy={"name": "needy"}, duration_s=1)


def test_the_problem_says_what_the_scenario_does() -> None:
    scenario = parse(paced.tree(workload={"catalogue_size": 20}))
    problem = run_problem(scenario, 8192)
    assert (problem.capacity, problem.frame_bytes, problem.places) == (64 * 1024, 8192, 8)
    assert (problem.steps, problem.split_step, problem.last_step) == (20, 6, 6)
    assert (problem.items, problem.users, problem.edge, problem.timing) == (
        20,
        4,
        "shared",
        "proactive",
    )
    assert problem.parts is not None
    catalogue = load_catalogue(catalogue_file("midstep-emoji") or "")
    assert {problem.parts(p) for p in catalogue.edge_prompts} == {
        (thing.name, ground.name) for thing in catalogue.things for ground in catalogue.backgrounds
    }
    assert problem.parts("a thing that nobody drew") == ("a thing that nobody drew",)
    assert run_problem(parse(paced.tree(workload={}))).items == len(catalogue.edge_prompts)
    final = run_problem(parse(paced.tree(policy={"name": "final"})))
    assert (
        final.last_step == 20 and final.parts is None and final.items == 20 * len(catalogue.endings)
    )
    whole = run_problem(parse(paced.tree(workload={"core": "whole", "catalogue_size": 20})))
    assert whole.last_step == 6 and whole.parts is None and whole.items == final.items
    stream = run_problem(parse(paced.tree(workload={"prompts": "prompts.txt"})))
    assert stream.items is None and stream.parts is None


def test_frame_bytes_are_what_the_store_counts(tiny: type[Tiny], tmp_path: Path) -> None:
    sizes: list[tuple[int, set[int]]] = []

    def look(self: Tiny, slot: Any) -> Any:
        sizes.append((self.problem.frame_bytes, {a.nbytes for a in slot.accesses}))
        return Tiny.plan(self, slot)

    tiny.plan = look  # type: ignore[method-assign]
    go(tmp_path / "a", duration_s=5)
    assert (
        {frame_bytes for frame_bytes, _ in sizes}
        == set().union(*(nbytes for _, nbytes in sizes))
        == {8192}
    )


@pytest.mark.parametrize(
    ("later", "reason"),
    [
        ({"modes.denoiser": "real"}, "modes.denoiser was 'paced' there and is 'real' here"),
        ({"edge_prompts": "0" * 32}, r"edge_prompts was '\w{32}' there and is '0{32}' here"),
        ({"model.revision": "0" * 32}, r"model\.revision was 'paced' there and is '0{32}' here"),
    ],
)
def test_a_state_whose_prompt_keys_cannot_occur_is_refused(
    later: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    go(tmp_path / "a", duration_s=3, policy={"name": "lru"})
    scenario = parse(paced.tree(policy={"name": "lru"}))
    setting = learner_setting(scenario, pipeline_revision(scenario))
    checkpoint.of_run(tmp_path / "a", setting)
    with pytest.raises(MidstepError, match=reason) as raised:
        checkpoint.of_run(tmp_path / "a", {**setting, **later})
    assert "\n" not in str(raised.value)


def test_what_paced_outputs_taught_is_refused_for_real_ones(tmp_path: Path) -> None:
    go(tmp_path / "a", duration_s=3, policy={"name": "drc"})
    real = {"clock": "virtual", "denoiser": "real", "wire": "inprocess"}
    with pytest.raises(MidstepError, match=r"modes\.denoiser was 'paced' there and is 'real'"):
        go(tmp_path / "b", resume=tmp_path / "a", policy={"name": "drc"}, modes=real)
    assert not (tmp_path / "b").exists()


def test_a_pipelines_revision_is_that_of_its_files_and_the_paced_one_has_its_own() -> None:
    scenario = parse(paced.tree())
    assert pipeline_revision(scenario) == "paced"
    real = scenario.model_copy(
        update={"modes": scenario.modes.model_copy(update={"denoiser": "real"})}
    )
    assert pipeline_revision(real) == revision(locate("midstep-emoji"))
    hub = real.model_copy(update={"model": real.model.model_copy(update={"path": "no/such"})})
    assert pipeline_revision(hub) is None
