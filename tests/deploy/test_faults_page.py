"""docs/faults.md is what midstep/events says, and its example can be played."""

from pathlib import Path

import yaml

from deploy import faults_page
from midstep.events import KINDS, Event
from midstep.scenario_file import parse
from tests import paced

CLASSES = [{"class": "phone", "count": 4}, {"class": "tablet", "count": 3}]


def test_the_page_is_of_these_events() -> None:
    page = Path(__file__).parents[2] / "docs" / "faults.md"
    assert page.read_text() == faults_page.page(), "run python -m deploy.faults_page"


def test_the_example_is_a_timeline() -> None:
    example = yaml.safe_load(faults_page.EXAMPLE)
    scenario = parse(paced.tree(duration_s=90, devices=CLASSES, **example))
    assert [event.kind for event in scenario.timeline] == ["scale", "surge", "leave", "surge"]


def test_every_kind_has_its_name_a_meaning_and_an_apply() -> None:
    for name, kind in KINDS.items():
        assert kind.model_fields["kind"].default == name
        assert kind.__doc__ and kind.__doc__ != Event.__doc__
        assert kind.apply is not Event.apply
