"""The simulation of a scenario: slot after slot, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from midstep.scenario import Scenario
from midstep.workload.requests import read_requests, with_requests
from orchestrator.evaluation.simulator.events import refusals
from orchestrator.evaluation.simulator.events.agenda import Agenda
from orchestrator.evaluation.simulator.events.life import Life
from orchestrator.evaluation.simulator.events.population import population
from orchestrator.evaluation.simulator.events.slot_book import SlotBook

__all__ = ["Simulated", "simulate"]

ROUNDING = 1e-6  # of a slot: an end that is nearer to a boundary is on it

Rows = list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """A simulated run: rows of requests, in the order in which they ended, and of slots, with the
    columns of a run's (docs/record.md; what a simulation has no value for is None), and each edge's
    seconds for one step of one request."""

    requests: Rows
    slots: Rows
    step_s: dict[str, float]


def simulate(scenario: Scenario) -> Simulated:
    """Simulate a scenario from its first request to its last. Raises ScenarioError for what the
    simulator does not have, PolicyFailed."""
    refusals.check(scenario)
    trace = read_requests(scenario)
    scenario = with_requests(scenario, trace)
    members = population(scenario)
    agenda = Agenda()
    book = SlotBook(scenario, members)
    life = Life(scenario, trace, members, agenda, book)
    life.begin()
    slots = _whole_slots(scenario, agenda, life)
    _end(scenario, agenda, life, book, slots)
    return Simulated(
        requests=book.requests,
        slots=book.slots,
        step_s=dict.fromkeys(life.edges, life.step_s),
    )


def _whole_slots(scenario: Scenario, agenda: Agenda, life: Life) -> int:
    """Play the slots that end within the duration, or until nothing is left to do; returns how
    many."""
    tau = scenario.slot_seconds
    slot = 0
    while (boundary_s := (slot + 1) * tau) <= scenario.duration_s + ROUNDING * tau:
        agenda.advance(boundary_s)
        life.end_slot(slot)
        slot += 1
        if life.idle:
            return slot
    agenda.advance(scenario.duration_s)
    return slot


def _end(scenario: Scenario, agenda: Agenda, life: Life, book: SlotBook, slots: int) -> None:
    """Let what is in flight end within grace_s, cut off what does not, and account for the slots in
    which that happens, the slot that was cut short first."""
    tau = scenario.slot_seconds
    cut_short = agenda.now > (slots + ROUNDING) * tau
    last_s = agenda.now + scenario.grace_s
    life.stop()
    agenda.advance_while(lambda: life.waits, last_s)
    if not life.waits:  # the run ends with its last request
        last_s = min(last_s, max(agenda.now, book.last_end_s))
    agenda.advance(last_s)
    for one in [*book.withdraw(last_s), *life.cut_off()]:
        one.result = "unfinished"
        one.error = "it was stopped before it was finished"
        one.ended_s = last_s
        book.enter(one)
    last = max(book.last_slot, slots if cut_short else slots - 1)
    for slot in range(slots, last + 1):
        life.end_slot(slot)
