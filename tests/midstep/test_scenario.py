import pytest
import yaml

from midstep import scenario_file as scenario
from midstep.errors import ScenarioError
from tests import paced


def test_the_default_scenario_is_valid_and_survives_its_own_dump() -> None:
    loaded = scenario.load(None)
    assert scenario.parse(yaml.safe_load(loaded.dump())) == loaded


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("model.stepz=3", "model.stepz: unknown key; did you mean steps?"),
        ("edges.0.capacty=1MB", "edges.0.capacty: unknown key; did you mean capacity?"),
        ("devices.0.clas=x", "devices.0.clas: unknown key; did you mean class?"),
        ("workload.arrivals.closed.thinks=1", "did you mean think_s?"),
        ("model.split_step=40", "split_step 40 is above steps 20"),
        ("edges.0.capacity=2QB", "is not a size such as 500KB"),
        ("devices.0.distance_m=[9, 3]", "must be [low, high]"),
        ("modes.clock=virtual", "set modes.wire: inprocess"),
        ("modes.denoiser=paced", "set model.profile"),
        ("seed=-1", "seed: "),
        ("workload.arrivals={}", "exactly one of"),
    ],
)
def test_a_wrong_key_or_value_is_one_line_with_its_path(setting: str, told: str) -> None:
    with pytest.raises(ScenarioError) as error:
        scenario.load(None, [setting])
    assert told in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("setting", ["seed", "edges.3.capacity=1MB", "seed.x=1", "edges.name.x=1"])
def test_a_setting_that_points_nowhere_is_refused(setting: str) -> None:
    with pytest.raises(ScenarioError, match="--set"):
        scenario.load(None, [setting])


def test_a_missing_scenario_lists_the_shipped_ones() -> None:
    with pytest.raises(ScenarioError, match="laptop"):
        scenario.load("no-such-thing")


def test_users_are_spread_over_the_classes_in_their_shares() -> None:
    classes = [
        {"class": "phone", "count": 6},
        {"class": "tablet", "count": 3},
        {"class": "watch", "count": 1},
    ]
    made = scenario.parse(paced.tree(devices=classes)).with_users(101)
    assert [d.count for d in made.devices] == [61, 30, 10]
    assert scenario.parse(paced.tree(devices=classes)).with_users(3).users == 3
    with pytest.raises(ScenarioError, match="each needs one"):
        made.with_users(2)


def test_a_scenario_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        scenario.load(None).seed = 3  # type: ignore[misc]
