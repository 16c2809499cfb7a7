"""The output of one request: from the store, from a trajectory that it shares, or from one of its
own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from edge_node.cache.base import Cache
from edge_node.cooperation.neighbourhood import Fetched, Neighbourhood
from edge_node.cooperation.price import fetch_pays
from edge_node.cutter import Cutter
from edge_node.delivery import LOCAL, Delivery
from edge_node.flight import Flight, Origin
from edge_node.flights import Flights
from edge_node.gate import Gate
from edge_node.lookup import Lookup, Usable
from edge_node.reports import demand_of
from midstep.clock import Clock
from midstep.errors import QueueFull
from midstep.telemetry.writers import EdgeMetrics
from midstep.wire.identity import OutputKey
from midstep.wire.messages import Request, Reuse

__all__ = ["Supply"]


class Supply:
    """Supplies requests with outputs, as the cut says (`by_cut`) or a slot's plan (`by_plan`).
    `finishes`: the edge makes whole pictures. `neighbours`: whose outputs may be fetched.
    `resumed_limit`: the last step at which a request may be handed over what went on from a donor
    of a likeness."""

    def __init__(
        self,
        store: Cache,
        lookup: Lookup,
        flights: Flights,
        cutter: Cutter,
        clock: Clock,
        metrics: EdgeMetrics,
        *,
        finishes: bool,
        resumed_limit: Callable[[Request, str], int],
        neighbours: Neighbourhood | None = None,
    ) -> None:
        self._store = store
        self._lookup = lookup
        self._flights = flights
        self._cutter = cutter
        self._clock = clock
        self._metrics = metrics
        self._finishes = finishes
        self._resumed_limit = resumed_limit
        self._neighbours = neighbours

    async def by_cut(self, request: Request, output: OutputKey, key: str) -> Delivery:
        """A held output where it is at or past the request's cut, else the one at its cut, gone on
        from a neighbour's where that costs less. Raises QueueFull, and what the engine raises."""
        self._metrics.lookup()
        usable = await self._lookup.usable(request, output, key)
        held = usable.step
        flight = None if output.private else self._flights.usable(key, request.limit, held)
        cut = self._cutter.cut(request, key, held, flight)
        fetched = None
        if held < cut and not output.private:
            fetched = await self._fetch(request, key, held, flight, cut)
        if fetched is not None:
            usable = usable.lent(fetched.entry)
            held = usable.step
            flight = self._flights.usable(key, request.limit, held)
        delivery = await self._from(usable, request, output, key, flight, cut)
        return delivery if fetched is None else replace(delivery, fetched=fetched)

    async def _fetch(
        self, request: Request, key: str, held: int, flight: Flight | None, cut: int
    ) -> Fetched | None:
        """A neighbour's output past the `held` one, where that costs less than to compute the one
        at the cut; None where nobody has one, or it could not be had."""
        if self._neighbours is None:
            return None
        offer = self._neighbours.offer(key, request.limit, held)
        if offer is None:
            return None
        situation = self._cutter.situation(request, key, held, flight)
        if not fetch_pays(situation, cut, offer.step, offer.ready_s, self._cutter.step_price_s):
            return None
        return await self._neighbours.fetch(offer, request.prompt)

    async def _from(
        self,
        usable: Usable,
        request: Request,
        output: OutputKey,
        key: str,
        flight: Flight | None,
        cut: int,
    ) -> Delivery:
        """What is usable where it is at or past the cut, else the output at the cut. Where that
        would go on from a donor's, the cut is the one that may be."""
        held = usable.step
        donor = usable.donor
        if donor is not None and (flight is None or flight.serves(cut, request.limit) is None):
            cut = min(cut, self._resumed_limit(request, donor.kind))
        if held >= cut:
            return self._hand_over(usable)
        origin = usable.origin(output, key)
        if not self._flights.goes_on(key, held):  # an original is wanted, so from its own noise
            origin = Usable(vector=usable.vector).origin(output, key)
        if request.start is not None:
            first = request.start.first_step(self._cutter.steps)
            origin = replace(origin, start=request.start, first_step=first)
        try:
            delivery = await self._fly(origin, flight, cut, request.limit)
        except QueueFull:
            if usable.entry is None:
                raise
            # no room to go on from it: an earlier cut is better than none
            return self._hand_over(usable)
        if delivery.donor is None:
            return delivery
        # what was made is nobody's original, so that the donor's is what memory may have
        return replace(delivery, staged=self._staged(usable))

    async def by_plan(self, gate: Gate, request: Request, output: OutputKey, key: str) -> Delivery:
        """What the plan of the slot gives a request: nothing, a held output as it is, or the one at
        its planned step (or limit, where that is before), made from noise."""
        arrived = self._clock.now()
        verdict = await gate.wait(key, None if output.private else demand_of(request, key))
        plan_wait_s = max(0.0, self._clock.now() - arrived)
        self._metrics.waited_for_plan(plan_wait_s, verdict.in_time)
        planned = verdict.planned
        if planned is None or planned.step < 1 or output.private:
            return replace(LOCAL, plan_wait_s=plan_wait_s)
        if planned.from_store and planned.step <= request.limit:
            self._metrics.lookup()
            hit = await self._store.fetch(key, planned.step)
            if hit is not None and hit.step == planned.step:
                return replace(self._hand_over(Usable(hit=hit)), plan_wait_s=plan_wait_s)
        cut = min(planned.step, request.limit)
        flight = self._flights.usable(key, cut, 0)
        delivery = await self._fly(Usable().origin(output, key), flight, cut, cut)
        return replace(delivery, plan_wait_s=plan_wait_s)

    def _hand_over(self, usable: Usable) -> Delivery:
        """A held output as it is."""
        reuse: Reuse = "exact"
        if usable.donor is not None:
            reuse = "similar"
        elif self._finishes and usable.step == self._cutter.steps:
            reuse = "final"
        if usable.tier != "neighbour":
            self._metrics.hit(reuse)
        return Delivery(
            entry=usable.entry,
            reuse=reuse,
            reused_step=usable.step,
            donor=usable.donor,
            staged=self._staged(usable),
        )

    def _staged(self, usable: Usable) -> bool:
        """Let the policy say whether memory gets back what was on disk, a donor's under its own
        key, or keeps what was a neighbour's; whether there is anything to say."""
        entry = usable.entry
        if entry is None or usable.tier == "store":
            return False
        frame = entry.frame
        hit = self._store.lookup(frame.prompt_key, frame.step)
        if hit is not None and hit.step == frame.step:
            return False  # memory has had it back meanwhile
        self._flights.frozen(entry)
        return True

    async def _fly(
        self, origin: Origin, flight: Flight | None, cut: int, furthest: int
    ) -> Delivery:
        """Let a request join the trajectory of its output that is in flight, or begin one from
        `origin`, and wait for the output at its cut; one that has passed the cut may give a step up
        to `furthest`."""
        arrived = self._clock.now()
        at = None if flight is None else flight.serves(cut, furthest)
        if flight is not None and at is not None:
            shares = True
            passenger = flight.join(at)
        else:
            shares = False
            flight, passenger = self._flights.begin(origin, cut)
        try:
            entry = await passenger.entry
        except BaseException:
            flight.leave(passenger)
            raise
        if shares:
            return Delivery(
                entry=entry,
                reuse="shared",
                edge_steps=passenger.edge_steps,
                reused_step=flight.origin.reused_step,
            )
        started_s = arrived if flight.started_s is None else flight.started_s
        return Delivery(
            entry=entry,
            reuse="computed" if origin.held is None else "resumed",
            edge_steps=passenger.edge_steps,
            reused_step=origin.reused_step,
            queue_s=max(0.0, started_s - arrived),
            donor=origin.donor,
        )
