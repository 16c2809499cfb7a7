"""What an edge by events holds for a request: its own prompt's output, or one of another that goes
further."""

from __future__ import annotations

from typing import NamedTuple

from edge_node.cut import CutRule
from edge_node.similar import Donor
from midstep.wire.messages_control import CachedOutput
from orchestrator.evaluation.simulator.events.asking import Asking
from orchestrator.evaluation.simulator.events.donors import Donors
from orchestrator.evaluation.simulator.events.keeper import Keeper

__all__ = ["Held", "Lookup"]


class Held(NamedTuple):
    """A held output that may serve a request; None: there is none. `donor`: it is another
    prompt's."""

    output: CachedOutput | None
    donor: Donor | None = None

    @property
    def step(self) -> int:
        """Where it can be handed over; 0: there is none."""
        return 0 if self.output is None else self.output.step


class Lookup:
    """Looks outputs up that `keeper` holds. A prompt that the plan of `rule` names is served by its
    own alone: the plan wants one to be made. Without `donors` every prompt is."""

    def __init__(self, keeper: Keeper, donors: Donors | None, rule: CutRule) -> None:
        self._keeper = keeper
        self._donors = donors
        self._rule = rule

    def held(self, one: Asking) -> Held:
        """The furthest held output that may serve a request."""
        own = self._keeper.held(one.key, one.limit)
        above = 0 if own is None else own.step
        if self._donors is None or one.quality is None or one.private or above == one.limit:
            return Held(own)
        if one.key in self._rule.targets:
            return Held(own)
        donor = self._donors.find(one.key, one.edge_prompt, one.limit, one.quality, above)
        if donor is None:
            return Held(own)
        return Held(self._keeper.held(donor.prompt_key, donor.step), donor)
