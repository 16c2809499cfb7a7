"""Cut rules: the step at which the edge hands a request over to its device, one file a rule."""

from __future__ import annotations

from edge_node.cut.base import CutRule, Situation
from edge_node.cut.considerate import Considerate
from edge_node.cut.fastest import Fastest
from edge_node.cut.fixed import FixedStep
from edge_node.cut.limit import AtLimit
from edge_node.cut.planned import Planned
from midstep.errors import ScenarioError
from midstep.scenario import Scenario

__all__ = [
    "CUT_RULES",
    "AtLimit",
    "Considerate",
    "CutRule",
    "Fastest",
    "FixedStep",
    "Planned",
    "Situation",
    "open_rule",
]

CUT_RULES: dict[str, type[CutRule]] = {
    "fixed": FixedStep,
    "limit": AtLimit,
    "planned": Planned,
    "fastest": Fastest,
    "considerate": Considerate,
    "auto": Planned,  # which is considerate as long as there is no plan
}


def open_rule(scenario: Scenario, split_step: int) -> CutRule:
    """The scenario's cut rule; whole pictures (`split_step` S) are cut at S. Raises
    ScenarioError for a rule that there is not."""
    rule = CUT_RULES.get(scenario.cut.rule)
    if rule is None:
        raise ScenarioError(
            f"cut.rule: there is no rule {scenario.cut.rule[:60]}; give {', '.join(CUT_RULES)}"
        )
    return FixedStep(split_step) if split_step == scenario.model.steps else rule(split_step)
