import pytest
import yaml

from midstep import scenario_file as scenario
from midstep.errors import OptionError, ScenarioError
from tests import paced


def test_the_default_scenario_is_valid_and_survives_its_own_dump() -> None:
    loaded = scenario.load(None)
    assert scenario.parse(yaml.safe_load(loaded.dump())) == loaded


def test_a_missing_scenario_lists_the_shipped_ones() -> None:
    with pytest.raises(ScenarioError, match="laptop"):
        scenario.load("no-such-thing")


def test_users_are_spread_over_the_classes_in_their_shares() -> None:
    classes = [
        {"class": "phone", "count": 6},
        {"class": "tablet", "count": 3},
        {"class": "watch", "count": 1},
    ]
    spread = scenario.parse(paced.tree(devices=classes)).with_users(101)
    assert [d.count for d in spread.devices] == [61, 30, 10]
    assert scenario.parse(paced.tree(devices=classes)).with_users(3).users == 3
    with pytest.raises(OptionError, match="each needs one"):
        spread.with_users(2)


def test_a_scenario_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        scenario.load(None).seed = 3  # type: ignore[misc]


def test_an_event_of_a_timeline_may_leave_its_kind_out() -> None:
    timeline = [{"at_s": 1, "users": 3}, {"kind": "surge", "at_s": 2, "factor": 4, "for_s": 2}]
    loaded = scenario.parse(paced.tree(timeline=timeline))
    assert [event.kind for event in loaded.timeline] == ["scale", "surge"]
    assert scenario.parse(yaml.safe_load(loaded.dump())) == loaded


@pytest.mark.parametrize(
    ("name", "setting", "reason"),
    [
        ("paper", "policy.timing=proactive", "coupled wants reactive"),
        ("paper", "workload.arrivals={poisson: {}}", "poisson requests come at any time"),
        ("paper", "workload.prompts=a.txt", "leave prompts and trace out"),
        ("paper", "cut.rule=auto", "leave cut out"),
        ("paper", "workload.core=whole", "knows the catalogue's core prompts alone"),
        ("paper", "edges=[{name: a, neighbours: [b]}, {name: b}]", "edges.0.neighbours: where"),
        ("paper", "policy.steps_per_prompt=several", "one step of a prompt"),
        ("paper", "reuse.last_step=21", "reuse.last_step: 21 .* give 2 to 20"),
        ("laptop", "policy.timing=reactive", "set modes.edge: coupled with it"),
        ("laptop", "reuse.last_step=6", "reuse.last_step: it goes with modes.edge coupled"),
        ("laptop", "reuse.tolerance=paper", "reuse.tolerance: it goes with"),
    ],
)
def test_a_coupled_edge_is_a_whole(name: str, setting: str, reason: str) -> None:
    with pytest.raises(ScenarioError, match=reason):
        scenario.load(name, [setting])


def test_the_last_step_of_a_plan_is_the_split_step_unless_it_is_named() -> None:
    assert scenario.load("paper", ["reuse.last_step=null", "model.split_step=9"]).last_step == 9
    assert scenario.load("paper", ["reuse.last_step=4"]).last_step == 4
