"""Base class of planners with a network: the number of slots decided, and the state that a
checkpoint needs."""

from __future__ import annotations

from typing import Any, ClassVar

from orchestrator.policies.kinds.price_planner import PricePlanner

__all__ = ["NetworkPlanner"]


class NetworkPlanner(PricePlanner):
    """A price planner whose `actor` learns; `open` creates the actor."""

    learns: ClassVar[bool] = True
    actor: Any  # with state_dict and load_state_dict
    slots: int  # decided so far

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "slots": self.slots, "actor": self.actor.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.slots = int(state["slots"])
        self.actor.load_state_dict(state["actor"])
