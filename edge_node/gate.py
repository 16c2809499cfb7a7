"""The gate of a coupled edge: requests of a slot wait there for the slot's plan."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from midstep.clock import Clock
from midstep.wire.messages_control import Demand, PlannedStep, SlotPlan

__all__ = ["Gate", "Verdict"]

# share of a slot by which a host's clock may run ahead of the edge's: all requests are due at a
# slot's start, what comes in the last moment of one is of the next
EARLY = 0.01
LONGEST = 0.5  # share of a slot that a request waits for a plan
WITHOUT_PLANS = 0.05  # the same once a slot had none: a learner that died holds nobody up


@dataclass(frozen=True)
class Verdict:
    """What a request gets, None: nothing, its device makes the whole picture; and whether a plan
    says so, or none came in time."""

    planned: PlannedStep | None
    in_time: bool


@dataclass(eq=False)
class _Waiting:
    """A request at the gate; `demand` None: a private one, which counts and is not shown."""

    slot: int
    prompt_key: str
    demand: Demand | None
    verdict: asyncio.Future[Verdict] = field(repr=False)


@dataclass(eq=False)
class _Gathering:
    """A learner that waits until `expected` requests of a slot wait."""

    slot: int
    expected: int
    over: asyncio.Future[None] = field(repr=False)


class Gate:
    """Holds requests until the plan of their slot is there; slots are `slot_seconds` of `clock`."""

    def __init__(self, clock: Clock, slot_seconds: float) -> None:
        self._clock = clock
        self._slot_seconds = slot_seconds
        self._waiting: dict[int, dict[_Waiting, None]] = {}  # by slot, in order of arrival
        self._gatherings: list[_Gathering] = []
        self._slot = -1  # of the last plan
        self._steps: dict[str, PlannedStep] = {}  # of the last plan, by prompt_key
        self._longest = LONGEST

    def __len__(self) -> int:
        """How many requests wait."""
        return sum(map(len, self._waiting.values()))

    async def wait(self, prompt_key: str, demand: Demand | None) -> Verdict:
        """What a request gets by the plan of its slot: at once where that is there, else as soon as
        it is, at most half a slot later, a twentieth once a slot had no plan. `demand` None: a
        private request."""
        slot = int(self._clock.now() / self._slot_seconds + EARLY)
        if slot <= self._slot:
            return Verdict(self._steps.get(prompt_key), True)
        loop = asyncio.get_running_loop()
        waiting = _Waiting(slot, prompt_key, demand, loop.create_future())
        timer = loop.call_later(
            self._wall_s(self._longest * self._slot_seconds), self._give_up, waiting
        )
        self._waiting.setdefault(slot, {})[waiting] = None
        for gathering in self._gatherings:
            if gathering.slot == slot and len(self._waiting[slot]) >= gathering.expected:
                _end(gathering.over)
        try:
            return await waiting.verdict
        finally:
            timer.cancel()
            self._remove(waiting)

    async def gather(self, slot: int, expected: int, wait_s: float) -> tuple[Demand, ...]:
        """See ControlPort; nobody is waited for longer than requests wait."""
        loop = asyncio.get_running_loop()
        longest_s = LONGEST * self._slot_seconds
        # a run's first slot is gathered for before its time has begun
        ahead_s = max(0.0, slot * self._slot_seconds - self._clock.now())
        if len(self._waiting.get(slot, ())) < expected:
            gathering = _Gathering(slot, expected, loop.create_future())
            # a wait that is no number is the longest one
            wait_s = wait_s if wait_s < longest_s else longest_s
            wait_s = ahead_s + max(0.0, wait_s)
            timer = loop.call_later(self._wall_s(wait_s), _end, gathering.over)
            self._gatherings.append(gathering)
            try:
                await gathering.over
            finally:
                timer.cancel()
                self._gatherings.remove(gathering)
        waiting = self._waiting.get(slot, ())
        return tuple(one.demand for one in waiting if one.demand is not None)

    def serve(self, plan: SlotPlan) -> None:
        """See ControlPort. The plan of an earlier slot than the last one's changes nothing."""
        if plan.slot < self._slot:
            return
        self._slot = plan.slot
        self._longest = LONGEST
        self._steps = {step.prompt_key: step for step in plan.steps}
        for slot in [slot for slot in self._waiting if slot <= plan.slot]:
            for waiting in list(self._waiting[slot]):
                self._release(waiting, Verdict(self._steps.get(waiting.prompt_key), True))

    def close(self) -> None:
        """Let nobody wait any longer: the edge is going. Who waited is cancelled."""
        for gathering in self._gatherings:
            _end(gathering.over)
        for of_slot in self._waiting.values():
            for waiting in of_slot:
                waiting.verdict.cancel()

    def _give_up(self, waiting: _Waiting) -> None:
        """Let a request go whose slot has had no plan for so long."""
        self._longest = WITHOUT_PLANS
        self._release(waiting, Verdict(None, False))

    def _release(self, waiting: _Waiting, verdict: Verdict) -> None:
        self._remove(waiting)
        if not waiting.verdict.done():
            waiting.verdict.set_result(verdict)

    def _remove(self, waiting: _Waiting) -> None:
        """Forget a request that waits no more."""
        of_slot = self._waiting.get(waiting.slot, {})
        of_slot.pop(waiting, None)
        if not of_slot:
            self._waiting.pop(waiting.slot, None)

    def _wall_s(self, seconds: float) -> float:
        """Scenario seconds as the event loop's."""
        return seconds / self._clock.scale


def _end(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
