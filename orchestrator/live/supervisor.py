"""Keeps a learner at the run's side: asks it at each slot's end, keeps its state, has another
started where it died."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from midstep.errors import MidstepError, PartDied, PolicyFailed
from orchestrator.decision.problem import Served
from orchestrator.live.cell import Cell, LearnerPart
from orchestrator.live.learner import Decision
from orchestrator.records.recorder import Recorder

SAVE_S = 60.0  # wall seconds that a learner has to hand over its state
EVERY = 10  # slots between two checkpoints
RESTARTS = 3
# wall seconds that a learner has for a decision; later, slots go on without it until it answers
PATIENCE_S = 5.0


class LearnerSupervisor:
    """`died` tells a death, `happened` what else a reader should know; `saved` is the state that
    the learner began with; `renewed` is called when another learner has taken over. Slots never
    wait for a learner to start."""

    def __init__(
        self,
        cell: Cell,
        recorder: Recorder,
        died: Callable[[str], None],
        happened: Callable[[str], None],
        saved: bytes | None,
        renewed: Callable[[], None],
    ) -> None:
        self._cell = cell
        self._recorder = recorder
        self._died = died
        self._happened = happened
        self._saved = saved
        self._renewed = renewed
        self._from = (
            "nothing, as no state had been kept"
            if saved is None
            else "the state that the run began with"
        )
        self._learner: LearnerPart | None = cell.learner
        self._coming: asyncio.Task[LearnerPart] | None = None
        self._deciding: asyncio.Future[Decision] | None = (
            None  # of an earlier slot, which is not answered yet
        )
        self._saving: asyncio.Task[None] | None = None
        self._can_save = True
        self._restarts = 0

    async def decide(self, slot: int, served: list[Served]) -> Decision | None:
        """The learner's decision at a slot's end; None where there is no learner, or its edge does
        not answer it."""
        self._welcome()
        learner = self._learner
        if learner is None:
            return None
        asked = self._deciding or asyncio.ensure_future(learner.end_slot(slot, served))
        late = self._deciding is not None
        await asyncio.wait({asked}, timeout=0.0 if late else PATIENCE_S)
        if not asked.done():
            if not late:
                self._happened(
                    f"the learner of {self._cell.name} is silent: the edge goes on with the last "
                    f"plan"
                )
            self._deciding = asked
            return None
        self._deciding = None
        try:
            decision = asked.result()
        except PolicyFailed as error:  # its process lives; another one would fail the same way
            self._learner = None
            self._recorder.policy_failed(error, self._cell.name)
            self._died(f"{error}: the edge goes on with what it holds")
        except PartDied as error:
            self._learner = None
            self._replace(str(error))
        except MidstepError:
            pass  # the edge does not answer the learner; its own status will say what is wrong
        else:
            if slot % EVERY == EVERY - 1 and (self._saving is None or self._saving.done()):
                self._saving = asyncio.create_task(
                    self._save(learner, slot), name="learner-checkpoint"
                )
            return None if late else decision
        return None

    async def close(self) -> None:
        """Keep the learner's last state. Raises OSError where the run's folder cannot be
        written."""
        if self._coming is not None:
            self._coming.cancel()
            await asyncio.gather(self._coming, return_exceptions=True)
        if self._saving is not None:
            await asyncio.wait({self._saving}, timeout=PATIENCE_S)  # a silent learner keeps nobody
        if self._learner is not None and self._deciding is None:
            await self._save(self._learner, None)

    async def _save(self, learner: LearnerPart, slot: int | None) -> None:
        if not self._can_save:
            return
        try:
            self._saved = await asyncio.wait_for(learner.checkpoint(), SAVE_S)
        except PolicyFailed as error:
            self._can_save = False
            self._happened(str(error))
        except (MidstepError, TimeoutError):
            pass  # dead, cut off or silent: the last state stays, and the next slot's end tells
        else:
            self._from = f"its state after slot {slot}"
            try:
                self._recorder.checkpoint(self._cell.name, self._saved)
            except OSError as error:
                if slot is None:  # the run's end tells it, with its own status
                    raise
                self._happened(f"the learner's state cannot be kept: {error}")

    def _replace(self, why: str) -> None:
        """Have another learner started, behind the slots' back."""
        if self._cell.another is None or self._restarts == RESTARTS:
            more = (
                ""
                if self._cell.another is None
                else f"; {RESTARTS} others were started before, no more are"
            )
            self._died(f"{why}: the edge goes on with what it holds{more}")
            return
        self._restarts += 1
        self._died(
            f"{why}: the edge goes on with the last plan, another learner is started "
            f"({self._restarts} of {RESTARTS})"
        )
        self._coming = asyncio.create_task(self._cell.another(self._saved), name="learner-another")

    def _welcome(self) -> None:
        """Let a learner that has started take over."""
        if self._coming is None or not self._coming.done():
            return
        coming = self._coming
        self._coming = None
        try:
            learner = coming.result()
        except MidstepError as error:
            self._replace(f"no other learner ({error})")
            return
        self._learner = self._cell.learner = learner
        self._renewed()
        self._happened(f"another learner (pid {learner.process_id}) goes on from {self._from}")
