"""Who is there when, in the simulator; and what a timeline may ask of it."""

from typing import Any

import pytest

from midstep.errors import ScenarioError
from midstep.scenario_file import parse
from orchestrator.evaluation.simulator.events.population import population
from tests import paced

QUEUE = {"metric": "queue", "above": 5}


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"kind": "surge", "users": 2, "at_s": 3}, "surge"),
        ({"users": 9, "at_s": 3, "every_s": 5}, "scale"),
        ({"users": 9, "at_s": 3, "chance": 0.5}, "scale"),
        ({"users": 9, "when": QUEUE}, "scale"),
    ],
)
def test_an_event_that_the_simulator_has_not_is_refused(event: dict[str, Any], kind: str) -> None:
    with pytest.raises(ScenarioError, match=f"at an instant, and no {kind} of another sort"):
        population(parse(paced.tree(timeline=[event])))
