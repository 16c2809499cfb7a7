"""Every refusal of a scenario: one line that begins with the key's path, in bounded time."""

from pathlib import Path

import pytest
import yaml

from midstep import scenario_file
from midstep.errors import MidstepError, OptionError, ScenarioError
from midstep.tree import MOST_USERS

BOMB = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "\n".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]"
    for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)
MERGE_BOMB = "a: &a {x: 1, y: 2}\n" + "\n".join(
    f"{name}: &{name} {{<<: [{','.join([f'*{before}'] * 10)}]}}"
    for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)
DIGITS = "1" * 5000


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("model.stepz=3", "laptop: model.stepz: unknown key; did you mean steps?"),
        ("edges.0.capacty=1MB", "laptop: edges.0.capacty: unknown key; did you mean capacity?"),
        ("devices.0.clas=x", "laptop: devices.0.clas: unknown key; did you mean class?"),
        ("workload.arrivals.closed.thinks=1", "did you mean think_s?"),
        ("thresholds.p95_s.mx=1", "thresholds.p95_s.mx: unknown key; did you mean max?"),
        ("thresholds={p95_s: 8}", "thresholds.p95_s: a bound has a side: write {max: 8} or {min"),
        ("thresholds={p95_s: {}}", "thresholds.p95_s: it bounds nothing; write {max: ...}"),
        ("thresholds={p95_s: {min: 9, max: 8}}", "thresholds.p95_s: min 9 is above max 8"),
        ("model.split_step=40", "laptop: model: split_step 40 is above steps 20"),
        ("edges.0.capacity=2QB", "laptop: edges.0.capacity: '2QB' is not a size such as 500KB"),
        ("edges.0.capacity=.inf", "edges.0.capacity: inf is not a size such as"),
        ("edges.0.capacity=.nan", "edges.0.capacity: nan is not a size such as"),
        (f"edges.0.capacity={'1' * 400}", "edges.0.capacity: a number of more than 19 digits is"),
        (f"edges.0.capacity={'1' * 400}KB", "edges.0.capacity: 402 bytes without a slash"),
        ("duration_s=.inf", "duration_s: inf is not a duration such as"),
        (f"duration_s={'9' * 330}", "duration_s: a number of more than 19 digits is not a"),
        ("duration_s=[1, 2]", "duration_s: a list is not a duration such as"),
        ("duration_s=0", "laptop: duration_s: Input should be greater than 0"),
        ("slot_seconds=0", "laptop: slot_seconds: Input should be greater than 0"),
        ("devices.0.distance_m=[9, 3]", "devices.0.distance_m: [9.0, 3.0] must be [low, high]"),
        ("devices=[]", "laptop: devices: at least one class is needed"),
        ("devices.0.count=0", "devices.0.count: Input should be greater than or equal to 1"),
        ("devices.0.count=1000000000", "devices.0.count: Input should be less than or equal to"),
        ("devices.0.count=yes", "devices.0.count: yes, no, on, off, true and false are truth"),
        ("seed=on", "laptop: seed: yes, no, on, off, true and false are truth values"),
        ("workload.popularity.zipf=off", "workload.popularity.zipf: yes, no, on, off"),
        ("edges.0.resources={tpu: yes}", "edges.0.resources.tpu: Input should be a valid number"),
        ("edges=[]", "laptop: edges: at least one edge is needed"),
        ("edges=[{name: a}, {name: a}]", "laptop: edges: two edges have the name a"),
        ("devices.0.edge=west", "laptop: devices.0.edge: there is no edge west; the scenario has"),
        ("edges.0.neighbours=[west]", "laptop: edges.0.neighbours: there is no edge west"),
        ("edges.0.neighbours=[edge-0]", "edges.0.neighbours: edge-0 has others as neighbours"),
        ("edges=[{name: a, place_m: [0, 0]}, {name: b}]", "edges.1.place_m: give every edge a"),
        ("devices.0.choose=quickest", "devices.0.choose: Input should be 'nearest' or 'fastest'"),
        ("devices.0.choose=nearest", "devices.0.choose: nearest by what? give every edge its"),
        ("backhaul.mbps=-1", "laptop: backhaul.mbps: Input should be greater than or equal to 0"),
        ("timeline=[{at_s: 1, users: 1, edge: west}]", "timeline.0.edge: there is no edge west"),
        ("timeline=[{at_s: 90, users: 1}]", "timeline.0.at_s: 90 s is not before the run's end"),
        ("timeline=[{kind: dance, at_s: 1}]", "timeline.0.kind: there is no such event; known are"),
        ("timeline=[{at_s: 1, user: 1}]", "timeline.0.users: Field required"),
        ("modes.clock=virtual", "modes.clock: virtual runs in one process; set modes.wire"),
        ("devices.0.step_ms=300", "laptop: devices.0: give exactly one of speed_ratio and step_ms"),
        ("devices.0.speed_ratio=null", "devices.0: give exactly one of speed_ratio and step_ms"),
        ("seed=-1", "laptop: seed: "),
        ("workload.arrivals={}", "workload.arrivals: give exactly one of"),
        ("name=a b", "laptop: name: String should match pattern"),
        ("name=2001-09-09", "laptop: name: Input should be a valid string"),
        ("", "--set : write --set path.to.key=value"),
        ("seed", "--set seed: write --set path.to.key=value"),
        ("seed=[", "--set seed=[: the value is not YAML: "),
        ("seed={a: 1, a: 2}", "the value is not YAML: the key 'a' stands twice"),
        ("name=2001-99-99", "--set name=2001-99-99: the value is not YAML: month must be in"),
        ("name=!!timestamp x", "--set name=!!timestamp x: the value is not YAML: "),
        ("name=!!float x", "--set name=!!float x: the value is not YAML: could not convert"),
        (f"seed={DIGITS}", "the value is not YAML: Exceeds the limit"),
        (f"name={'[' * 3000}", "the value is not YAML: it is nested more than 50 deep"),
        (f"name={'- ' * 3000}", "the value is not YAML: it is nested more than 50 deep"),
        (f"name={'[' * 3000}{']' * 3000}", "the value is not YAML: it is nested more than 50"),
        (f"name={'a' * 65}", "laptop: name: String should have at most 64 characters"),
        (f"edges.0.disk_path={'/a' * 5000}", "disk_path: a text of 10000 bytes, the limit is 4095"),
        (
            f"workload.catalogue={'a' * 300}",
            "catalogue: 300 bytes without a slash, the limit is 255",
        ),
        (f"edges=[{'1,' * 20_000}]", "the value is not YAML: it holds more than 20000 keys and"),
        (f"seed={'1' * (1 << 21)}", "the value is not YAML: it has 2097152 characters, the limit"),
        ("seed.x=1", "--set seed.x=1: seed is a value, it has no keys"),
        ("edges.3.capacity=1MB", "--set edges.3.capacity=1MB: '3' is no index into a list of 1"),
        ("edges.name.x=1", "--set edges.name.x=1: 'name' is no index into a list of 1"),
        ("edges.².x=1", "--set edges.².x=1: '²' is no index into a list of 1"),
        ("edges.²=1", "--set edges.²=1: '²' is no index into a list of 1"),
        (f"edges.{DIGITS}=1", "is no index into a list of 1; write e.g. edges.0.capacity=1MB"),
    ],
)
def test_what_a_setting_cannot_be_is_one_line(setting: str, reason: str) -> None:
    with pytest.raises((ScenarioError, OptionError)) as error:
        scenario_file.load(None, [setting])
    line = str(error.value)
    assert reason in line and "\n" not in line and len(line) <= 300
    assert line.startswith(("laptop: ", "--set "))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("seed: 3\nseed: 4\n", "the key 'seed' stands twice in the tree that begins in line 1"),
        ("model:\n  steps: 3\n  steps: 4\n", "the key 'steps' stands twice in the tree"),
        (f"{BOMB}\nduration_s: *j\n", "it holds more than 100000 values"),
        (f"{MERGE_BOMB}\nmodel: *j\n", "its merge keys make more than 100000 values"),
        ("&a [*a]\n", "it is nested more than 50 deep"),
        ("? [a, b]\n: 1\n", "scenario.yaml: "),
        ("- 1\n", "a scenario is a tree of keys, this is a list"),
        ("seed: 3: 4\n", "not YAML: mapping values are not allowed here"),
        ("\x00", "not YAML: "),
    ],
)
def test_what_a_file_cannot_hold_is_one_line(text: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text(text)
    with pytest.raises(ScenarioError) as error:
        scenario_file.load(str(path))
    line = str(error.value)
    assert line.startswith(str(path)) and reason in line and "\n" not in line
    assert len(line) < 500 + len(str(path))


def test_aliases_and_merge_keys_are_copied(tmp_path: Path) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text(
        "edges:\n- &e {name: a, capacity: 1MB}\n- {<<: *e, name: b}\n- {<<: *e, name: c}\n"
    )
    scenario = scenario_file.load(str(path), ["edges.0.capacity=2MB"])
    assert [edge.capacity for edge in scenario.edges] == [2_000_000, 1_000_000, 1_000_000]


@pytest.mark.parametrize("users", [-1, 0, MOST_USERS + 1, 10**400])
def test_users_beyond_the_bounds_are_refused_before_anything_is_made_for_them(users: int) -> None:
    with pytest.raises(MidstepError, match=f"give 1 to {MOST_USERS}") as error:
        scenario_file.load(None).with_users(users)
    assert len(str(error.value)) < 100


def test_virtual_time_has_no_scale() -> None:
    modes = "modes={clock: virtual, wire: inprocess, denoiser: paced, time_scale: 60}"
    with pytest.raises(ScenarioError, match=r"modes\.time_scale: virtual time does not follow"):
        scenario_file.load(None, ["model.profile=cpu", modes])


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("modes.denoiser=paced", "modes.denoiser: paced waits measured times; set model.profile"),
        (
            "modes={clock: virtual, wire: inprocess}",
            "modes.clock: virtual advances by measured times; set model.profile",
        ),
    ],
)
def test_what_waits_out_step_times_needs_a_profile(setting: str, text: str) -> None:
    with pytest.raises(ScenarioError) as error:
        scenario_file.load(None, ["model.profile=null", setting])
    assert text in str(error.value)


def test_a_class_has_a_ratio_or_a_step_time_and_both_are_read_back() -> None:
    ratio = scenario_file.parse({"devices": [{"count": 3}]})
    time = scenario_file.parse({"devices": [{"count": 3, "step_ms": 300}]})
    assert (ratio.devices[0].speed_ratio, ratio.devices[0].step_ms) == (0.075, None)
    assert (time.devices[0].speed_ratio, time.devices[0].step_ms) == (None, 300)
    assert time.devices[0].ratio_to(0.03) == pytest.approx(0.1)
    for scenario in (ratio, time):
        assert scenario_file.parse(yaml.safe_load(scenario.dump())) == scenario
