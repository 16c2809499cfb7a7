"""Policies by name, from files and entry points: what is broken breaks nothing but itself."""

from __future__ import annotations

import importlib.metadata
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from midstep.errors import MidstepError, OptionError, PolicyFailed, ScenarioError
from midstep.scenario import PolicySettings as Settings
from orchestrator import policies
from orchestrator.cli import main
from orchestrator.evaluation.simulator.many import play_lanes
from orchestrator.evaluation.simulator.presets import find
from orchestrator.policies import Policy, base
from orchestrator.policies.registry import lookup, outside
from tests import paced

MRU = """\
from orchestrator.policies.base import policy
from orchestrator.policies.kinds.eviction_rule import Rule

@policy("mru-outside")
class Mru(Rule):
    def victim(self):
        return next(reversed(self.held))
"""
TWO = MRU + '\n@policy("second")\nclass Second(Mru):\n    pass\n'


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A registry of the test's own, in a folder of its own."""
    monkeypatch.setattr(base, "_REGISTRY", dict(base._REGISTRY))
    monkeypatch.setattr(outside, "_loaded", {})
    monkeypatch.setattr(lookup, "_broken", {})
    monkeypatch.chdir(tmp_path)


def written(text: str, name: str = "mru_outside.py") -> str:
    Path(name).write_text(text)
    return name


# --- a file outside


def test_a_file_runs_live_and_leaves_its_text_and_its_name(tmp_path: Path) -> None:
    Path("s.yaml").write_text(yaml.safe_dump(paced.tree(duration_s=10)))
    assert main(["run", "s.yaml", "--policy", written(MRU), "--out", "out"]) == 0
    recorded = yaml.safe_load(Path("out/scenario.yaml").read_text())
    assert recorded["policy"]["name"] == "mru-outside"
    assert recorded["policy"]["source"] == {"file": "mru_outside.py", "class": None, "text": MRU}
    summary = json.loads(Path("out/summary.json").read_text())
    assert "source" not in summary["run"]["policy"] and "mru-outside" in summary["policies"]
    # a scenario brings no code of its own: the recorded text is a file again, named anew
    again = ["run", "out/scenario.yaml", "--out", "again", "--resume", "out"]
    assert main(again) == 2
    Path("recorded.py").write_text(recorded["policy"]["source"]["text"])
    assert main([*again, "--policy", "recorded.py"]) == 0
    assert str(tmp_path) not in Path("out/scenario.yaml").read_text()


def test_a_file_is_simulated_in_full_and_replayed(capsys: pytest.CaptureFixture[str]) -> None:
    file = written(MRU)
    small = ["--set", "items=50", "--set", "users=2", "--set", "requests_per_user=3"]
    simulate = ["simulate", "full", *small, "--set", "capacity=5", "--slots", "12", "--seeds", "1"]
    assert main([*simulate, "--policies", f"lru,{file}", "--out", "s"]) == 0
    assert "mru-outside" in json.loads(Path("s/summary.json").read_text())["policies"]
    Path("keys").write_text("\n".join("abcdabcdabcd"))
    assert main(["replay", "keys", "--capacity", "3", "--policies", f"{file},lru"]) == 0
    assert "mru-outside" in capsys.readouterr().out


def test_worker_processes_have_it_too() -> None:
    policies.load_file(written(MRU))
    preset = find("compact", ["items=12", "users=3", "requests_per_user=3", "capacity=4"])
    alone = play_lanes([(preset, 0), (preset, 1)], ["mru-outside"], 12, 2, jobs=1)
    spread = play_lanes([(preset, 0), (preset, 1)], ["mru-outside"], 12, 2, jobs=2)
    hits = [result["mru-outside"]["hit_ratio"].tolist() for result in (alone, spread)]
    assert hits[0] == hits[1]


def test_a_file_that_changed_takes_the_place_of_what_it_was() -> None:
    first, _ = policies.load_file(written(MRU))
    assert policies.load_file(written(MRU))[0] is first is policies.find("mru-outside")
    second, _ = policies.load_file(written(MRU + "\n"))
    assert policies.find("mru-outside") is second is not first


@pytest.mark.parametrize(
    ("text", "name", "reason"),
    [
        (TWO, "m.py", r"m\.py has 2 policies \(Mru, Second\): say which, as in m\.py:Mru"),
        (TWO, "m.py:Third", r"m\.py has no policy Third; it has Mru, Second"),
        ("x = 1\n", "m.py", r'm\.py has no policy in it: put @policy\("name"\) above a class'),
        ("x = 1\nclass A(:\n", "m.py", r"broken: m\.py, line 2: SyntaxError: invalid syntax"),
        ("x = 1\n\n1 / 0\n", "m.py", r"broken: m\.py, line 3: ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit(4)\n", "m.py", r"broken: m\.py, line 2: SystemExit: 4"),
        ("from . import x\n", "m.py", r"m\.py, line 1: ImportError: attempted relative import"),
        (MRU.replace("mru-outside", "lru"), "m.py", r"m\.py, line 4: ValueError: two policies are"),
        ("", "nowhere.py", r"nowhere\.py cannot be read: .*No such file"),
    ],
)
def test_a_broken_file_is_one_line_and_leaves_nothing(text: str, name: str, reason: str) -> None:
    before = policies.names()
    written(text, "m.py")
    with pytest.raises(OptionError, match=rf"^--policies {name}: .*{reason}") as error:
        policies.registered(name, "--policies")
    assert "\n" not in str(error.value) and policies.names() == before
    assert policies.registered("lru", "--policies") == "lru"


def test_the_class_can_be_named() -> None:
    assert policies.registered(f"{written(TWO)}:Second", "--policy") == "second"
    assert "mru-outside" not in policies.names()


def test_a_name_that_its_text_does_not_define_is_told() -> None:
    settings = Settings.model_validate(
        {"name": "other", "source": {"file": "m.py", "text": MRU, "class": None}}
    )
    with pytest.raises(ScenarioError, match=r"other is not what policy\.source defines"):
        policies.chosen(settings)


# --- entry points, and files of the package


class Point:
    """An entry point of some package."""

    def __init__(self, name: str, loaded: Any) -> None:
        self.name = name
        self.value = f"somewhere:{name}"
        self._loaded = loaded

    def load(self) -> Any:
        return self._loaded()


def test_entry_points_are_policies_and_broken_ones_are_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def good() -> type[Policy]:
        return base.policy("from-a-package")(type("Theirs", (Policy,), {"__doc__": "Theirs. Yes."}))

    def bad() -> None:
        base.policy("half-way")(type("Half", (Policy,), {}))
        raise ImportError("no module named nowhere")

    def points(group: str) -> list[Point]:
        assert group == "midstep.policies"
        return [Point("good", good), Point("bad", bad)]

    monkeypatch.setattr(importlib.metadata, "entry_points", points)
    monkeypatch.setattr(lookup, "_entry_points_are_loaded", False)
    assert policies.find("from-a-package").name == "from-a-package"
    assert "half-way" not in policies.names()
    assert main(["policies"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("from-a-package") for line in lines)
    assert lines[-1].startswith("broken: entry point bad (somewhere:bad): ")
    assert lines[-1].endswith("ImportError: no module named nowhere")


def test_a_broken_file_of_the_package_breaks_no_other(tmp_path: Path) -> None:
    package = tmp_path / "some_policies"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "good.py").write_text(MRU)
    (package / "half.py").write_text(MRU.replace("mru-outside", "half") + "\nundefined\n")
    sys.path.insert(0, str(tmp_path))
    try:
        lookup.import_modules("some_policies", [str(package)])
    finally:
        sys.path.remove(str(tmp_path))
    assert "mru-outside" in policies.names() and "half" not in policies.names()
    reason = policies.broken()["some_policies/half"]
    assert reason.endswith("half.py, line 9: NameError: name 'undefined' is not defined")
    with pytest.raises(ScenarioError, match=r"no policy 'half'.*some_policies/half is broken: "):
        policies.find("half")


# --- what is usable where


def test_the_list_names_what_can_be_used_there() -> None:
    with pytest.raises(ScenarioError) as error:
        policies.find("drcc", "live")
    assert "policy.name: no policy 'drcc'; did you mean drc? There is " in str(error.value)
    assert "clairvoyant" not in str(error.value) and "informed" not in str(error.value)
    with pytest.raises(OptionError, match="--policies: no policy 'belady'; there is clairvoyant"):
        policies.find("belady", "replay", "--policies")


def test_the_command_lists_a_whole_sentence_a_policy_without_torch_or_ray() -> None:
    code = (
        "import sys; from orchestrator.cli import main; main(['policies']);"
        "print([m for m in ('torch', 'ray', 'numba', 'grpc') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heading, *lines, modules = done.stdout.splitlines()
    assert modules == "[]"
    assert heading.split()[:4] == ["policy", "live", "presets", "replay"]
    assert [line.split()[0] for line in lines] == policies.names()
    assert all(line.endswith((".", "?")) for line in lines), "a sentence is whole"
    marks = {line.split()[0]: line.split()[1:4] for line in lines}
    assert marks["lru"] == ["yes", "yes", "yes"] and marks["clairvoyant"] == ["-", "-", "yes"]
    assert marks["final"] == ["yes", "-", "yes"] and marks["ncldc"] == ["yes", "yes", "-"]


# --- parameters


def test_parameters_reach_the_policy() -> None:
    lfu_decay: Any = policies.make(Settings(name="lfu-decay", params={"efold_slots": 50}))
    assert lfu_decay.efold_slots == 50
    assert main(["scenario", "show", "--set", "policy.params.efold_slots=50"]) == 0


@pytest.mark.parametrize(
    ("name", "params", "reason"),
    [
        (
            "lfu-decay",
            {"efold": 5},
            r"efold: lfu-decay has no such parameter; did you mean efold",
        ),
        ("lfu-decay", {"x": 5}, r"no such parameter; there is efold_slots \(float\)"),
        ("lru", {"x": 5}, r"policy\.params\.x: lru has no such parameter; there is none"),
        ("lfu-decay", {"efold_slots": "many"}, r"efold_slots: 'many' is no float; there is efold"),
        ("lfu-decay", {"efold_slots": True}, r"efold_slots: True is no float"),
        (
            "lfu-decay",
            {"efold_slots": 0},
            r"lfu-decay refuses them: efold_slots: 0",
        ),
        ("drc-item", {"weights": 3}, r"drc-item has no such parameter; there is reuse \(float\)"),
    ],
)
def test_wrong_parameters_are_one_line(name: str, params: dict[str, Any], reason: str) -> None:
    with pytest.raises(ScenarioError, match=reason):
        policies.make(Settings(name=name, params=params))


def test_a_parameter_that_has_to_be_given_is_told() -> None:
    text = MRU.replace(
        "    def victim", "    def __init__(self, share: float): ...\n\n    def victim"
    )
    settings = Settings.model_validate(
        {"name": "mru-outside", "source": {"file": "m.py", "text": text, "class": None}}
    )
    with pytest.raises(ScenarioError, match=r"mru-outside needs share; there is share \(float\)"):
        policies.make(settings)
    policies.make(settings.model_copy(update={"params": {"share": 1}}))


# --- a policy that dies


@pytest.mark.parametrize("edges", [1, 2])
def test_a_policy_that_dies_leaves_its_traceback_and_makes_the_run_invalid(edges: int) -> None:
    dies = MRU.replace("next(reversed(self.held))", "self.held['nowhere']")
    one = {"capacity": "16KiB", "staging": "256KiB"}
    tree = paced.tree(edges=[{"name": f"e{n}", **one} for n in range(edges)])
    Path("s.yaml").write_text(yaml.safe_dump(tree))
    assert main(["run", "s.yaml", "--policy", written(dies), "--out", "out"]) == 3
    names = (
        ["policy-traceback.txt"] if edges == 1 else [f"policy-traceback-e{n}.txt" for n in (0, 1)]
    )
    assert sorted(path.name for path in Path("out").glob("policy-*")) == names
    text = Path("out", names[0]).read_text()
    assert text.startswith("policy mru-outside failed: KeyError: 'nowhere'\n")
    assert 'File "mru_outside.py", line 7, in victim\n    return self.held[' in text
    verdict = json.loads(Path("out/summary.json").read_text())["verdict"]
    assert verdict.startswith("INVALID: policy mru-outside failed: KeyError: 'nowhere'")
    assert all(name in verdict for name in names)


def test_a_policy_that_dies_at_the_start_leaves_its_traceback_too() -> None:
    text = MRU + "\n    def reset(self, problem, seed):\n        raise ArithmeticError('seven')\n"
    Path("s.yaml").write_text(yaml.safe_dump(paced.tree()))
    assert main(["run", "s.yaml", "--policy", written(text), "--out", "out"]) == 3
    assert "ArithmeticError: seven" in Path("out/policy-traceback.txt").read_text()


def test_a_failure_keeps_its_traceback_across_processes() -> None:
    error = PolicyFailed("policy x failed", traceback="Traceback: ...")
    copy = pickle.loads(pickle.dumps(error))
    assert isinstance(copy, MidstepError) and copy.exit_status == 3
    assert (str(copy), copy.traceback) == ("policy x failed", "Traceback: ...")
