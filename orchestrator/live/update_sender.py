"""Sends a learner's updates to its edge, and notices where the policy no longer knows the edge's
store."""

from __future__ import annotations

from collections.abc import Callable

from midstep.errors import EdgeUnreachable
from midstep.wire.messages_control import CacheSnapshot, CacheUpdate, CacheUpdateResult, ControlPort
from orchestrator.decision.cache_model import CacheModel, is_whole
from orchestrator.live.decision_account import DecisionAccount

__all__ = ["UpdateSender"]


class UpdateSender:
    """Sends updates through `control`, and enters them in `account`. `several`: the store keeps
    several steps of a prompt; `reconcile` shows the policy a snapshot."""

    def __init__(
        self,
        control: ControlPort,
        several: bool,
        account: DecisionAccount,
        reconcile: Callable[[CacheSnapshot], None],
    ) -> None:
        self._control = control
        self._several = several
        self._account = account
        self._reconcile = reconcile
        # an update or accesses were lost: the policy has to be shown the store before it goes on
        self.must_reconcile = False

    async def reconcile_if_lost(self) -> None:
        """Show the policy the store, where an update was lost or accesses were missed."""
        if self.must_reconcile:
            self._reconcile(await self._control.snapshot())
            self.must_reconcile = False

    async def send(self, update: CacheUpdate) -> CacheUpdateResult:
        """Send an update, and show the policy the store where a part could not be carried out.
        Raises EdgeUnreachable."""
        try:
            result = await self._control.apply(update)
        except EdgeUnreachable:
            self.must_reconcile = True
            raise
        if not is_whole(update, result, self._several):
            self._reconcile(await self._control.snapshot())
        self._account.applied(update, result)
        return result

    async def store_after(self, before: CacheSnapshot, update: CacheUpdate) -> CacheSnapshot:
        """Send an update and return what the edge then has: computed by the model of its cache,
        fetched only where the edge's answer differs from the model's. Raises EdgeUnreachable."""
        model = CacheModel.of(before, self._several)
        result = await self.send(update)
        if model.apply(update) == result:
            return model.snapshot()
        return await self._control.snapshot()
