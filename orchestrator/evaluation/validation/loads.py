"""Operating points of a validation: the scenario at a share of what its edge can compute, and with
a cache that thrashes."""

from __future__ import annotations

from dataclasses import dataclass

from midstep.diffusion.factory import named_profile
from midstep.diffusion.paced import PACED_BYTES
from midstep.errors import OptionError, ScenarioError
from midstep.scenario import Arrivals, EdgeSettings, Scenario
from midstep.workload.load import load
from orchestrator.live.usual_cut import usual_cut

__all__ = ["JUDGED", "THRASHING", "Point", "edge_load", "parse_loads", "points"]

THRASHING = "thrashing"
THRASHING_SHARE = 0.125  # of the capacity: outputs leave before they are asked for again
THRASHING_LOAD = 0.8
MOST_LOAD = 2.0
JUDGED = 0.9  # the highest load that the verdict looks at


@dataclass(frozen=True, kw_only=True)
class Point:
    """One operating point: its name, the scenario there, and the offered load of its edges without
    reuse, as a share of what they can compute. `judged`: whether the verdict looks at it."""

    name: str
    scenario: Scenario
    edge_load: float
    judged: bool


def edge_load(scenario: Scenario) -> float:
    """Offered load of all edges as a share of what they can compute: every request from noise, in
    full batches. Reuse lowers it. Raises ScenarioError where there is no profile."""
    profile = named_profile(scenario.model)
    steps = usual_cut(scenario)
    capacity = sum(
        edge.max_batch / (steps * profile.step(edge.max_batch)) for edge in scenario.edges
    )
    return load(scenario, profile, cut=steps).requests_s / capacity


def points(scenario: Scenario, loads: tuple[float, ...]) -> list[Point]:
    """The scenario at each load, and with a cache that thrashes; as it is where there are no
    `loads`. Loads above JUDGED are reported, not judged: queues there are as long as a run is
    short. Raises ScenarioError."""
    if not loads:
        return [_point("as it is", scenario, judged=True)]
    at_loads = [
        _point(f"load {share:g}", _at_load(scenario, share), judged=share <= JUDGED)
        for share in loads
    ]
    crowded = _at_load(scenario, min(THRASHING_LOAD, max(loads)))
    return [*at_loads, _point(THRASHING, _thrashing(crowded), judged=False)]


def parse_loads(text: str | None) -> tuple[float, ...]:
    """The shares between commas; none where nothing is named. Raises OptionError."""
    if text is None:
        return ()
    try:
        loads = tuple(float(word) for word in text.split(","))
    except ValueError:
        loads = (-1.0,)
    if not all(0 < share <= MOST_LOAD for share in loads):
        raise OptionError(
            f"--loads {text}: give shares of what the edge can compute, such as 0.5,0.8,0.95"
        )
    return loads


def _point(name: str, scenario: Scenario, judged: bool) -> Point:
    return Point(name=name, scenario=scenario, edge_load=edge_load(scenario), judged=judged)


def _at_load(scenario: Scenario, share: float) -> Scenario:
    """The scenario with an offered load of `share`: open arrivals by their rate, closed ones by
    the number of users."""
    if scenario.workload.is_listed:
        raise ScenarioError(
            "workload: a list of prompts or a trace has the load that it has; leave --loads out"
        )
    factor = share / edge_load(scenario)
    arrivals = scenario.workload.arrivals
    if arrivals.closed is not None:
        return scenario.with_users(max(len(scenario.devices), round(factor * scenario.users)))
    if arrivals.poisson is None:
        raise ScenarioError(
            "workload.arrivals: only closed and poisson arrivals are scaled to a load; leave "
            "--loads out to validate the scenario as it is"
        )
    rate = arrivals.poisson.per_user_per_minute * factor
    poisson = arrivals.poisson.model_copy(update={"per_user_per_minute": rate})
    workload = scenario.workload.model_copy(update={"arrivals": Arrivals(poisson=poisson)})
    return scenario.model_copy(update={"workload": workload})


def _thrashing(scenario: Scenario) -> Scenario:
    """The scenario with caches that are far too small, but hold an output."""
    least = named_profile(scenario.model).frame_bytes or PACED_BYTES

    def small(edge: EdgeSettings) -> EdgeSettings:
        capacity = max(least, int(edge.capacity * THRASHING_SHARE))
        return edge.model_copy(update={"capacity": capacity})

    return scenario.model_copy(update={"edges": tuple(map(small, scenario.edges))})
