"""Rules for like prompts: up to which step another prompt's output may serve, one file a rule."""

from __future__ import annotations

import inspect

from edge_node.similar.any import AnyOutput
from edge_node.similar.base import BySimilarity, SimilarRule, Wanted
from edge_node.similar.calibrated import Calibrated
from edge_node.similar.finder import Cap, Donor, Finder
from edge_node.similar.fixed import FixedThreshold
from edge_node.similar.nirvana import Nirvana
from edge_node.similar.oracle import Oracle
from edge_node.similar.ramp import Ramp
from edge_node.similar.staircase import Staircase
from midstep.errors import ScenarioError
from midstep.reuse.limits import usable_table
from midstep.scenario import Reuse, Scenario
from midstep.units import excerpt
from midstep.wire.identity import PipelineIdentity

__all__ = [
    "SIMILAR_RULES",
    "AnyOutput",
    "BySimilarity",
    "Calibrated",
    "Cap",
    "Donor",
    "Finder",
    "FixedThreshold",
    "Nirvana",
    "Oracle",
    "Ramp",
    "SimilarRule",
    "Staircase",
    "Wanted",
    "open_similar",
]

LARGEST = 1e9  # of a parameter's number
SIMILAR_RULES: dict[str, type[SimilarRule]] = {
    "calibrated": Calibrated,
    "any": AnyOutput,
    "fixed": FixedThreshold,
    "nirvana": Nirvana,
    "ramp": Ramp,
    "staircase": Staircase,
}


def open_similar(
    scenario: Scenario, identity: PipelineIdentity | None = None
) -> SimilarRule | None:
    """The scenario's rule on the pipeline `identity`, None where only the same prompt's outputs
    serve. Raises ScenarioError for a rule or parameter that there is not, or where it needs a table
    and there is none."""
    reuse = scenario.reuse
    if reuse.similar is None:
        return None
    rule = SIMILAR_RULES.get(reuse.similar)
    if rule is None:
        raise ScenarioError(
            f"reuse.similar: there is no rule {reuse.similar[:60]}; give {', '.join(SIMILAR_RULES)}"
        )
    _check_parameters(rule, reuse)
    table = usable_table(scenario, identity) if rule is Calibrated else None
    try:
        return rule(scenario.model.steps, table, **reuse.similar_params)
    except (TypeError, ValueError) as error:
        raise ScenarioError(f"reuse.similar_params: {rule.name} refuses them: {error}") from error


def _check_parameters(rule: type[SimilarRule], reuse: Reuse) -> None:
    """Raise ScenarioError for parameters that a rule has not, for those of another type, and for
    one that it needs."""
    signature = inspect.signature(rule.__init__).parameters.values()
    accepted = {p.name: p for p in signature if p.kind is p.KEYWORD_ONLY}
    names = ", ".join(accepted) or "none"
    for name, value in reuse.similar_params.items():
        where = f"reuse.similar_params.{name[:60]}"
        if name not in accepted:
            raise ScenarioError(f"{where}: {rule.name} has no such parameter; it has {names}")
        default = accepted[name].default
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if isinstance(value, (int, float)) and abs(value) > LARGEST:
            raise ScenarioError(f"{where}: {excerpt(value)} is too large")
        if isinstance(default, float) and not number:
            raise ScenarioError(f"{where}: {excerpt(value)} is no number")
        if isinstance(default, int) and (not number or value != int(value)):
            raise ScenarioError(f"{where}: {excerpt(value)} is no whole number")
        if default is inspect.Parameter.empty and not isinstance(value, str):
            raise ScenarioError(f"{where}: {excerpt(value)} is no text")
    for name, parameter in accepted.items():
        if parameter.default is parameter.empty and name not in reuse.similar_params:
            raise ScenarioError(f"reuse.similar_params: {rule.name} needs {name}")
