"""Arrivals in words: a report and a comparison say the same of the same scenario."""

from __future__ import annotations

from typing import Any

import pytest

from midstep.scenario_file import parse
from orchestrator.records.arrivals import arrival_model
from orchestrator.records.description import describe
from tests import paced


@pytest.mark.parametrize(
    ("law", "model", "effect"),
    [
        ({"closed": {"think_s": 1}}, "closed: who has its picture thinks", "meet other requests"),
        ({"poisson": {"per_user_per_minute": 5}}, "open, poisson", "meets the same requests"),
        ({"recorded": {"kind": "instants"}}, "open, recorded", "meets the same requests"),
        (
            {"recorded": {"kind": "think times"}},
            "recorded: a closed replay by the recorded think times",
            "meet other requests",
        ),
    ],
)
def test_a_report_and_a_comparison_name_one_model(
    law: dict[str, Any], model: str, effect: str
) -> None:
    scenario = parse(paced.tree(workload={"arrivals": law}))
    said = dict(describe(scenario, {"versions": {}}, []))["arrivals"]
    compared = arrival_model(scenario.workload.arrivals)
    assert said.startswith(model) and compared.startswith(model)
    assert compared.endswith(effect)
    assert ("from when the request was due" in said) == model.startswith("open")
