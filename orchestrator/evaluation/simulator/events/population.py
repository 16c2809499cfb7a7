"""Who is there when: the devices that a scenario begins with, and those that its timeline brings or
sends away."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from midstep.apportion import apportion
from midstep.errors import ScenarioError
from midstep.events import Event, ScaleEvent
from midstep.radio.fading import DeviceSpec, Newcomers, specs
from midstep.scenario import Scenario

__all__ = ["Member", "Presence", "population"]


@dataclass(frozen=True)
class Member:
    """A device, and from when until when (seconds) it asks."""

    spec: DeviceSpec
    comes_s: float = 0.0
    goes_s: float = math.inf


def population(scenario: Scenario) -> list[Member]:
    """Every device that the run ever has, in the order of their numbers. Raises ScenarioError where
    an event of the timeline cannot be carried out."""
    first = specs(scenario)
    if not scenario.timeline:
        return [Member(spec) for spec in first]
    members = {spec.user: Member(spec) for spec in first}
    newcomers = Newcomers(scenario)
    weights = {edge.name: sum(spec.edge == edge.name for spec in first) for edge in scenario.edges}
    if scenario.workload.prompts is not None:
        raise ScenarioError(
            "timeline: a list of prompts is dealt out to its users when a run starts: none can "
            "come or go"
        )
    for event in sorted(scenario.timeline, key=lambda event: event.at_s):
        if not isinstance(event, ScaleEvent) or not _comes_once(event):
            raise ScenarioError(
                f"timeline: the simulator plays events of kind scale that come once, at an "
                f"instant, and no {event.kind} of another sort; play the run with `midstep run "
                f"--clock virtual`"
            )
        edges = [name for name in weights if event.edge in (None, name)]
        counts = apportion(event.users, [weights[name] for name in edges])
        for edge, count in zip(edges, counts, strict=True):
            _bring(members, newcomers, edge, count, event.at_s)
    return list(members.values())


def _comes_once(event: Event) -> bool:
    return event.every_s is None and event.chance is None and event.when is None


class Presence:
    """How many devices ask an edge at an instant."""

    def __init__(self, members: Iterable[Member]) -> None:
        self._comes_s: dict[str, list[float]] = defaultdict(list)
        self._goes_s: dict[str, list[float]] = defaultdict(list)
        for member in members:
            self._comes_s[member.spec.edge].append(member.comes_s)
            self._goes_s[member.spec.edge].append(member.goes_s)
        for instants in (*self._comes_s.values(), *self._goes_s.values()):
            instants.sort()

    def count(self, edge: str, at_s: float) -> int:
        """The devices that have come by then, and have not gone."""
        return bisect_right(self._comes_s[edge], at_s) - bisect_right(self._goes_s[edge], at_s)


def _bring(
    members: dict[int, Member], newcomers: Newcomers, edge: str, count: int, at_s: float
) -> None:
    """Let an edge have `count` devices from `at_s` on: who came last leaves first."""
    there_now = [m for m in members.values() if m.spec.edge == edge and m.goes_s == math.inf]
    for member in there_now[count:]:
        members[member.spec.user] = Member(member.spec, member.comes_s, at_s)
    if count > len(there_now):
        number = count - len(there_now)
        for spec in newcomers.come(edge, [member.spec for member in there_now], number):
            members[spec.user] = Member(spec, at_s)
