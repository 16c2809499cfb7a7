"""Supervision of a learner: asks it at each slot's end, saves its state, and has a successor
started where it died."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Any

from midstep.errors import MidstepError, PartDied, PolicyFailed
from orchestrator.decision.problem import Served
from orchestrator.live.cell import Cell, LearnerPart
from orchestrator.live.inquiry import Inquiry
from orchestrator.live.observer import Observer
from orchestrator.live.slot_decision import Decision
from orchestrator.records.recorder import Recorder

__all__ = ["EVERY", "LAST_SAVE_S", "PATIENCE_S", "RESTARTS", "SAVE_S", "LearnerSupervisor"]

SAVE_S = 60.0  # wall seconds that a learner has to hand over its state
LAST_SAVE_S = 15.0  # at the run's end, which waits for it
EVERY = 10  # slots between two checkpoints
RESTARTS = 3
# wall seconds that a learner has for a decision; later, slots go on without it until it answers
PATIENCE_S = 5.0


class LearnerSupervisor:
    """Supervises the learner of one cell; slots never wait for a learner to start. `state` is what
    it began with, `setting` what its state depends on (orchestrator.live.setting)."""

    def __init__(
        self,
        cell: Cell,
        recorder: Recorder,
        observer: Observer,
        state: bytes | None,
        setting: Mapping[str, Any],
    ) -> None:
        self._cell = cell
        self._recorder = recorder
        self._observer = observer
        self._state = state
        self._setting = setting
        self._origin = (
            "nothing, as no state had been kept"
            if state is None
            else "the state that the run began with"
        )
        self._learner: LearnerPart | None = cell.learner
        self._successor: asyncio.Task[LearnerPart] | None = None
        self._decision: Inquiry[Decision] = Inquiry(PATIENCE_S)
        self._beginning: asyncio.Task[None] | None = None
        self._saving: asyncio.Task[None] | None = None
        self._can_save = True
        self._restarts = 0

    async def decide(self, slot: int, served: list[Served]) -> Decision | None:
        """The learner's decision at a slot's end; None where there is no learner, it is silent, or
        its edge does not answer it."""
        self._welcome()
        learner = self._learner
        if learner is None or self._cell.learner_is_paused:
            return None
        late = self._decision.open  # the answer, if it comes, is of an earlier slot
        try:
            decision = await self._decision.ask(lambda: learner.end_slot(slot, served))
        except MidstepError as error:
            self._failed(learner, error)
            return None
        if decision is None:
            if not late:
                self._observer.announce(
                    f"the learner of {self._cell.name} is silent: the edge goes on with the last "
                    f"plan"
                )
            return None
        if slot % EVERY == EVERY - 1 and (self._saving is None or self._saving.done()):
            self._saving = asyncio.create_task(self._save(learner, slot), name="learner-checkpoint")
        return None if late else decision

    def begin(self, slot: int, expected: int) -> None:
        """Let the learner plan the slot that begins, for `expected` requests, in a task: no slot
        waits for it. A learner that still plans an earlier one leaves this one out."""
        self._welcome()
        learner = self._learner
        if learner is None or self._cell.learner_is_paused:
            return
        if self._beginning is not None and not self._beginning.done():
            return
        self._beginning = asyncio.create_task(
            self._begin(learner, slot, expected), name="learner-begin"
        )

    async def _begin(self, learner: LearnerPart, slot: int, expected: int) -> None:
        try:
            await learner.begin_slot(slot, expected)
        except MidstepError as error:
            self._failed(learner, error)

    def _failed(self, learner: LearnerPart, error: MidstepError) -> None:
        """Do without a learner that has failed or died; where it is its edge that does not answer,
        the edge's own status will say why."""
        if learner is not self._learner:  # another call has said so
            return
        if isinstance(error, PolicyFailed):
            # its process lives; another one would fail the same way
            self._learner = None
            self._recorder.policy_failed(error, self._cell.name)
            self._observer.death(f"{error}: the edge goes on with what it holds")
        elif isinstance(error, PartDied):
            self._learner = None
            self._replace(str(error), self._observer.expects(learner.name))

    async def close(self) -> None:
        """Keep the learner's last state. Raises OSError where the run's folder cannot be
        written."""
        if self._successor is not None:
            self._successor.cancel()
            await asyncio.gather(self._successor, return_exceptions=True)
        if self._beginning is not None:
            self._beginning.cancel()
            await asyncio.gather(self._beginning, return_exceptions=True)
        if self._saving is not None:
            await asyncio.wait(
                {self._saving}, timeout=PATIENCE_S
            )  # a silent learner is not waited for
        if self._cell.learner_pause is not None:
            await asyncio.wait({self._cell.learner_pause}, timeout=PATIENCE_S)
        if self._learner is None or self._cell.learner_is_paused:
            return
        # one that still decides has the time that one has to hand over its state
        answer = self._decision.withdraw()
        if answer is not None:
            await asyncio.wait({answer}, timeout=LAST_SAVE_S)
            if not answer.done():
                answer.cancel()
                self._tell_last(self._learner, TimeoutError())
                return
            answer.exception()  # what it raised, the call for its state says again
        await self._save(self._learner, None)

    async def _save(self, learner: LearnerPart, slot: int | None) -> None:
        if not self._can_save:
            return
        try:
            patience_s = SAVE_S if slot is not None else LAST_SAVE_S
            self._state = await asyncio.wait_for(learner.checkpoint(self._setting), patience_s)
        except PolicyFailed as error:
            self._can_save = False
            self._observer.announce(str(error))
        except (MidstepError, TimeoutError) as error:
            # the last state stays; the next slot's end shows whether the learner is dead
            if slot is None:
                self._tell_last(learner, error)
        else:
            self._origin = f"its state after slot {slot}"
            try:
                self._recorder.checkpoint(self._cell.name, self._state)
            except OSError as error:
                if slot is None:  # at the run's end the error decides its exit status
                    raise
                self._observer.announce(f"the learner's state cannot be kept: {error}")

    def _tell_last(self, learner: LearnerPart, error: Exception) -> None:
        """Say that the learner was gone, or silent, when the run ended."""
        if isinstance(error, PartDied):
            self._observer.part_died(learner.name, f"{error}; its last state is {self._origin}")
        elif isinstance(error, TimeoutError):
            self._observer.death(
                f"the learner of {self._cell.name} is silent at the run's end; its last state is "
                f"{self._origin}"
            )

    def _replace(self, why: str, expected: bool) -> None:
        """Have a successor started in the background, while the slots go on. `expected`: an event
        has killed the learner, which counts as no death."""
        tell = self._observer.announce if expected else self._observer.death
        if self._cell.another is None or (self._restarts == RESTARTS and not expected):
            more = (
                ""
                if self._cell.another is None
                else f"; {RESTARTS} others were started before, no more are"
            )
            tell(f"{why}: the edge goes on with what it holds{more}")
            return
        count = ""
        if not expected:
            self._restarts += 1
            count = f" ({self._restarts} of {RESTARTS})"
        tell(f"{why}: the edge goes on with the last plan, another learner is started{count}")
        self._successor = asyncio.create_task(
            self._cell.another(self._state), name="learner-another"
        )

    def _welcome(self) -> None:
        """Let a learner that has started take over."""
        if self._successor is None or not self._successor.done():
            return
        successor = self._successor
        self._successor = None
        try:
            learner = successor.result()
        except MidstepError as error:
            self._replace(f"no other learner ({error})", expected=False)
            return
        self._learner = self._cell.learner = learner
        self._observer.renew_targets()
        here = learner.process_id == os.getpid()
        process = "" if here else f" (pid {learner.process_id})"
        self._observer.announce(f"another learner{process} goes on from {self._origin}")
