"""Needs of a policy and facts of a problem, which decide where a policy can be used."""

from __future__ import annotations

from typing import Literal, cast

import numpy as np

from orchestrator.decision.problem import Problem, Truth
from orchestrator.policies.base import Kind, Policy

__all__ = ["PLACES", "Place", "lack", "usable_in"]

Place = Literal["live", "simulate", "replay"]
PLACES: tuple[Place, ...] = ("live", "simulate", "replay")

_LACKS = {
    "closed": "a closed catalogue, and this one is open",
    "parts": "prompts whose parts are known, which this workload does not tell",
    "truth": "the true request rates, which only the presets full and topics of `midstep simulate` "
    "tell: no scenario does",
    "future": "the requests to come, which only `midstep replay` knows",
    "coupled": "an edge that computes for planned prompts only: set modes.edge: coupled and "
    "policy.timing: reactive, as the scenario paper and the presets literal and compact of "
    "`midstep simulate` have them",
}

# what a policy cannot do where a problem's timing is none of its modes
_TIMINGS = {
    "access": "cannot play a list of keys, which tells no prices and has no slots; `midstep "
    "policies` says what can be replayed",
    "reactive": "cannot plan for requests that are seen already (timing: reactive), as a coupled "
    "edge and the presets literal and compact of `midstep simulate` want it",
    "proactive": "cannot plan ahead of its requests (timing: proactive), as scenarios and the "
    "presets full and topics of `midstep simulate` want it",
}


class _Law:
    """Stands for the law of a simulated workload where only its presence counts."""

    hazard = 0.0

    def rates(self, slot: int) -> np.ndarray:
        return np.ones(1)

    def ranks(self) -> np.ndarray:
        return np.ones(1)


def _parts(prompt: str) -> tuple[str, ...]:
    return (prompt,)


def _problem(**facts: object) -> Problem:
    return Problem(capacity=1, steps=20, split_step=6, frame_bytes=1, **facts)  # type: ignore[arg-type]


# the problems that a place can pose, each as rich as it can be there
_POSED: dict[Place, tuple[Problem, ...]] = {
    "live": (
        _problem(items=1, parts=_parts),
        _problem(items=1, edge="coupled", timing="reactive", number=int),
    ),
    "simulate": (
        _problem(items=1, edge="coupled", timing="reactive", number=int),
        _problem(items=1, parts=_parts, number=int, truth=cast(Truth, _Law())),
    ),
    "replay": (_problem(timing="access", future=("",)),),
}


def lack(cls: type[Policy], problem: Problem, place: Place | None = None) -> str | None:
    """Why a policy cannot be used on a problem; None where it can."""
    if place == "simulate" and cls.stores == "final":
        return "keeps finished pictures, which simulated prompts do not have"
    if place == "simulate" and cls.stores == "nothing":
        return "runs users' own prompts on the edge, which simulated prompts do not have"
    if problem.timing not in cls.modes:
        return _TIMINGS[problem.timing]
    if place == "live" and problem.timing == "reactive" and not _chooses_by_price(cls):
        return (
            "does not choose by a slot's prices, which the plan of a coupled edge (modes.edge) is "
            "made of: set policy.name to greedy, drc, or another that does"
        )
    if problem.last_step > cls.most_steps:
        return (
            f"keeps outputs up to step {cls.most_steps}, here they are cut at {problem.last_step}"
        )
    available = {
        "closed": problem.items is not None,
        "parts": problem.parts is not None,
        "truth": problem.truth is not None,
        "future": problem.future is not None,
        "coupled": problem.edge == "coupled",
    }
    for need in sorted(cls.needs):
        if not available.get(need):
            return f"needs {_LACKS.get(need, need)}"
    return None


def _chooses_by_price(cls: type[Policy]) -> bool:
    """Whether a policy, or its price twin, is a price planner."""
    return cls.kind is Kind.PRICE_PLANNER or cls.price_twin is not Policy.price_twin


def usable_in(cls: type[Policy], place: Place) -> bool:
    """Whether there is a problem at that place on which the policy can be used."""
    return any(lack(cls, problem, place) is None for problem in _POSED[place])
