"""The cut of one request: what the edge knows at that moment, put to its cut rule."""

from __future__ import annotations

from edge_node.cut.base import CutRule, Situation
from edge_node.flight import Flight
from edge_node.flights import Flights
from midstep.diffusion.engine import Engine
from midstep.diffusion.profile import StepProfile
from midstep.wire.messages import Request

__all__ = ["Cutter"]

UNKNOWN_SLOWNESS = 10.0  # steps of the edge to one of a device that does not say its own


class Cutter:
    """Cuts requests by `rule`. `tick_s[b]` is the profile's time of a tick with b trajectories, up
    to the largest batch; `frame_bytes` is what a link has to pass, 0: not known."""

    def __init__(
        self,
        rule: CutRule,
        engine: Engine,
        flights: Flights,
        profile: StepProfile,
        frame_bytes: int,
    ) -> None:
        self._rule = rule
        self._engine = engine
        self._flights = flights
        self.steps = engine.denoiser.identity.steps
        self._max_batch = engine.max_batch if engine.denoiser.batched else 1
        self.tick_s = (0.0, *(profile.step(batch + 1) for batch in range(self._max_batch)))
        self._decode_s = profile.decode_s
        self._frame_bits = 8.0 * frame_bytes

    def cut(self, request: Request, prompt_key: str, held: int, flight: Flight | None) -> int:
        """The step wanted for a request, within 1..limit, and past the first step of its start
        picture. `held` is the furthest held step within its limit, 0: none; `flight` a trajectory
        that it could join."""
        wanted = self._rule.cut(self.situation(request, prompt_key, held, flight))
        return max(self._first_step(request) + 1, min(wanted, request.limit))

    @property
    def step_price_s(self) -> float:
        """Lambda of the last plan, 0 where there is none: what a step to be computed costs."""
        return self._rule.step_price_s

    def situation(
        self, request: Request, prompt_key: str, held: int, flight: Flight | None
    ) -> Situation:
        """What the edge knows when it cuts a request (see `cut`), or has to choose between making
        its output and fetching one."""
        step_s = request.step_s or UNKNOWN_SLOWNESS * self.tick_s[1]
        rate_bps = request.rate_bps
        batch = min(self._engine.in_flight, self._max_batch)
        queue = self._engine.queue_depth
        return Situation(
            prompt_key=prompt_key,
            limit=request.limit,
            steps=self.steps,
            # steps before a start picture's first have not to be computed either
            held=max(held, self._first_step(request)),
            in_flight_step=None if flight is None else flight.step,
            until=0 if flight is None else flight.until,
            queue=queue,
            batch=batch,
            max_batch=self._max_batch,
            tick_s=self.tick_s,
            job_steps=self._flights.mean_steps if queue + batch >= self._max_batch else 0.0,
            link_s=self._frame_bits / rate_bps if rate_bps else 0.0,
            step_s=step_s,
            decode_s=self._decode_s / self.tick_s[1] * step_s,
            backlog_s=request.backlog_s,
        )

    def _first_step(self, request: Request) -> int:
        """The step at which its trajectory begins."""
        return 0 if request.start is None else request.start.first_step(self.steps)
