"""What a reader is told of a scenario's keys: a meaning for each, the unit that the name has, and
comments that change no value."""

import yaml

from midstep import scenario_file
from midstep.scenario import Model, Poisson, Scenario, Threshold
from midstep.scenario_comments import commented
from midstep.scenario_keys import keys, sections


def test_every_key_has_a_meaning() -> None:
    silent = [
        f"{part.path}.{key.name}" for part in sections() for key in part.keys if not key.meaning
    ]
    assert not silent, "write what it means below it, in midstep/scenario.py"


def test_a_key_has_its_unit_its_bounds_and_its_default() -> None:
    whole = {key.name: key for key in keys(Scenario)}
    assert (whole["duration_s"].unit, whole["duration_s"].default) == ("s", "90.0")
    assert whole["duration_s"].values == "duration such as 90s, above 0"
    model = {key.name: key for key in keys(Model)}
    assert model["steps"].values == "whole number, 2 to 1000"
    assert model["height"].default == "null"
    assert keys(Poisson)[0].unit == "1/min"


def test_sections_lie_where_their_keys_are_set() -> None:
    paths = {part.path: part.tree for part in sections()}
    assert paths["thresholds.NAME"] is Threshold
    for path in paths.keys() - {""}:
        *_, last = path.removesuffix(".N").removesuffix(".NAME").split(".")
        parent = path.removesuffix(".N").removesuffix(".NAME").rpartition(".")[0]
        assert last in [key.name for key in keys(paths[parent])]


def test_comments_change_no_value() -> None:
    odd = [
        "thresholds.p95_s.max=8",
        "timeline=[{kind: wipe, at_s: 30}]",
        "edges.0.resources={'on': 1, 'a # b': 2}",
        "policy.params={text: 'it: is # \"so\"', number: 1.0}",
        'workload.prompts="two\\nlines"',
    ]
    for name in scenario_file.shipped():
        # a coupled edge is asked for the catalogue's prompts alone
        scenario = scenario_file.load(name, odd[: -1 if name == "paper" else None])
        text = commented(scenario)
        assert scenario_file.parse(yaml.safe_load(text)) == scenario
        assert "# S, denoising steps of one picture." in text
