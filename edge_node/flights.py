"""The trajectories that an edge has in flight, by the output that they make."""

from __future__ import annotations

from collections.abc import Callable

from edge_node.cache.base import Entry
from edge_node.cut.base import CutRule
from edge_node.flight import Flight, Origin, Passenger
from midstep.clock import Clock
from midstep.diffusion.engine import Engine

__all__ = ["Flights"]


class Flights:
    """Begins trajectories, and finds those that a request can share. `frozen` is called with each
    packed output, unless it is somebody's own, came from another prompt's, or went on from a frame
    of fewer bits; a plan's targets are those of `rule`."""

    def __init__(
        self, engine: Engine, clock: Clock, rule: CutRule, frozen: Callable[[Entry], None]
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._rule = rule
        self.frozen = frozen
        self._flights: dict[str, list[Flight]] = {}  # by prompt_key

    def __len__(self) -> int:
        return sum(len(flights) for flights in self._flights.values())

    def usable(self, prompt_key: str, limit: int, held: int) -> Flight | None:
        """The furthest trajectory of an output that a request with this limit could join; None
        where a `held` output is further than any of them goes."""
        usable = [
            flight
            for flight in self._flights.get(prompt_key, ())
            if flight.until >= held and flight.gives(limit)
        ]
        return max(usable, key=lambda flight: flight.step, default=None)

    def goes_on(self, prompt_key: str, held: int) -> bool:
        """Whether a trajectory may begin from the output at step `held`: not where the plan wants a
        later one, which must come from noise as frames have fewer bits."""
        return not (self._engine.denoiser.lossy and self._rule.targets.get(prompt_key, 0) > held)

    @property
    def mean_steps(self) -> float:
        """The mean length of the trajectories in flight, steps."""
        lengths = [
            flight.until - flight.origin.step
            for flights in self._flights.values()
            for flight in flights
        ]
        return sum(lengths) / len(lengths) if lengths else 0.0

    def begin(self, origin: Origin, cut: int) -> tuple[Flight, Passenger]:
        """A new flight and its first passenger; later requests for the same output may join it.
        Raises QueueFull, PartDied."""
        lossy = self._engine.denoiser.lossy and origin.held is not None
        original = origin.original and not lossy
        target = self._rule.targets.get(origin.prompt_key, 0) if original else 0
        frozen = self.frozen if original else _unseen
        flight = Flight(self._engine, self._clock, origin, target, frozen, self._over)
        passenger = flight.join(cut)
        flight.start()
        self._flights.setdefault(origin.prompt_key, []).append(flight)
        return flight, passenger

    def _over(self, flight: Flight) -> None:
        key = flight.origin.prompt_key
        self._flights[key].remove(flight)
        if not self._flights[key]:
            del self._flights[key]


def _unseen(entry: Entry) -> None:
    """Let nobody else have a user's own output, or one that is no original."""
