"""Places of edges and devices on a plane, and how far they are from each other."""

from __future__ import annotations

import math

from midstep.draws import ANGLE, uniform
from midstep.scenario import Scenario

__all__ = ["distance_m", "nearest", "place_of"]

Place = tuple[float, float]
LEAST_M = 1.0  # nobody stands in the antenna


def place_of(scenario: Scenario, edge: str, distance: float, user: int) -> Place | None:
    """Where a device stands that is `distance` metres from an edge: in a direction drawn from the
    seed; None where edges have no places."""
    home = scenario.at(edge).edge.place_m
    if home is None:
        return None
    angle = 2 * math.pi * uniform(scenario.seed, ANGLE, 0, user)
    return home[0] + distance * math.cos(angle), home[1] + distance * math.sin(angle)


def distance_m(place: Place, edge_place: Place) -> float:
    """Metres between a device and an edge, at least one."""
    return max(LEAST_M, math.dist(place, edge_place))


def nearest(scenario: Scenario, place: Place) -> tuple[str, float]:
    """The edge that is nearest to a place, and its distance; of equals the first."""
    far = {
        edge.name: distance_m(place, edge.place_m)
        for edge in scenario.edges
        if edge.place_m is not None
    }
    name = min(far, key=far.__getitem__)
    return name, far[name]
