"""What an edge knows of its neighbours' stores, and the outputs that it fetches from there.

Each slot every neighbour is asked for a digest: the names of what its store holds, nothing where
that is as it was. An edge that misses then knows at once who has the output, and what it would take
to have it here. Asking at the miss instead would cost every miss a round trip, also those that
nobody can serve, and most where the backhaul is slow and must not be used. The price is staleness:
of what a neighbour has let go since its last digest a request hears in vain, and is computed.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge_node.cache.base import Entry
from edge_node.cooperation.backhaul import Backhaul
from midstep.clock import Clock
from midstep.errors import CacheCorrupted, EdgeUnreachable, FrameError, PartDied
from midstep.telemetry.writers import BackhaulMetrics
from midstep.wire.messages_control import Neighbouring
from midstep.wire.messages_neighbours import NeighbourPort

__all__ = ["Fetched", "Neighbourhood", "Offer"]

Name = tuple[str, int]  # prompt_key and step


@dataclass(frozen=True, kw_only=True)
class Offer:
    """An output that a neighbour's store held when it last said so, and in how many seconds it
    could be here."""

    edge: str
    prompt_key: str
    step: int
    ready_s: float


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """An output from a neighbour, the seconds that this request waited for it, and the bytes that
    it brought over the backhaul: 0 where another request had asked for it."""

    edge: str
    entry: Entry
    waited_s: float
    nbytes: int


class _Neighbour:
    """A neighbour as its last digest has it."""

    def __init__(self, port: NeighbourPort) -> None:
        self.port = port
        self.state = 0
        self.steps: dict[str, tuple[int, ...]] = {}
        self.answers = True
        self.damaged = False  # whether it has been told that an output came damaged


class _Fetch:
    """A fetch on its way: until when it takes, as far as is known, and what comes of it."""

    def __init__(self, due_s: float, task: asyncio.Task[Entry | None]) -> None:
        self.due_s = due_s
        self.task = task


class Neighbourhood:
    """The neighbours of one edge. `frame_bytes` is what one output takes on the line; outputs are
    of `pipeline`, a digest, or they are refused."""

    def __init__(
        self,
        edge: str,
        line: Backhaul,
        clock: Clock,
        *,
        pipeline: str,
        frame_bytes: int,
        slot_seconds: float,
    ) -> None:
        self._edge = edge
        self._line = line
        self._clock = clock
        self._pipeline = pipeline
        self._frame_bytes = frame_bytes
        self._slot_seconds = slot_seconds
        self._neighbours: dict[str, _Neighbour] = {}
        self._metrics: dict[str, BackhaulMetrics] = {}
        self._fetches: dict[tuple[str, Name], _Fetch] = {}
        self._task: asyncio.Task[None] | None = None
        self._notices: list[str] = []

    def meet(self, ports: Mapping[str, NeighbourPort]) -> None:
        """Know these neighbours from now on, and no others; what they hold is not known yet."""
        self._neighbours = {name: _Neighbour(port) for name, port in ports.items()}
        self._metrics = {name: BackhaulMetrics(self._edge, name) for name in ports}

    def start(self, until_s: float) -> None:
        """Ask for digests in a task of this object's, at each slot's start, up to `until_s`."""
        if self._neighbours and self._task is None:
            self._task = asyncio.create_task(self._follow(until_s), name="neighbours")

    async def close(self) -> None:
        """Ask no more; fetches on their way are let go."""
        tasks: list[asyncio.Task[Any]] = [fetch.task for fetch in self._fetches.values()]
        if self._task is not None:
            tasks.append(self._task)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def held(self) -> tuple[Neighbouring, ...]:
        """What the neighbours hold, as their last digests said."""
        return tuple(
            Neighbouring(name, key, step, _draw(name, key) > _draw(self._edge, key))
            for name, neighbour in self._neighbours.items()
            for key, steps in neighbour.steps.items()
            for step in steps
        )

    @property
    def fetch_s(self) -> float:
        """What one output takes to be here, if it were asked for now."""
        return self._line.ready_s(self._frame_bytes)

    def notices(self) -> list[str]:
        """What a user should know since the last call, a line each."""
        notices = self._notices
        self._notices = []
        return notices

    def offer(self, prompt_key: str, limit: int, above: int) -> Offer | None:
        """The furthest output of a prompt that a neighbour holds at a step above `above`, and at
        most `limit`; of equals the one that is on its way already, then the first neighbour's."""
        best: Offer | None = None
        for name, neighbour in self._neighbours.items():
            steps = neighbour.steps.get(prompt_key, ())
            step = max((step for step in steps if above < step <= limit), default=0)
            if not step:
                continue
            fetch = self._fetches.get((name, (prompt_key, step)))
            if fetch is None:
                ready_s = self._line.ready_s(self._frame_bytes)
            else:
                ready_s = max(0.0, fetch.due_s - self._clock.now())
            if best is None or (step, -ready_s) > (best.step, -best.ready_s):
                best = Offer(edge=name, prompt_key=prompt_key, step=step, ready_s=ready_s)
        return best

    async def fetch(self, offer: Offer, prompt: str) -> Fetched | None:
        """Have an offered output of that `prompt` here; None where the neighbour has it no more, or
        does not answer. Who asks for what is on its way waits for that."""
        asked_s = self._clock.now()
        key = offer.edge, (offer.prompt_key, offer.step)
        fetch = self._fetches.get(key)
        brings = fetch is None
        if fetch is None:
            task = asyncio.create_task(self._bring(offer, prompt))
            fetch = self._fetches[key] = _Fetch(asked_s + offer.ready_s, task)
            task.add_done_callback(lambda _: self._fetches.pop(key, None))
        # it goes on for the others, and for the store, where this request gives up
        entry = await asyncio.shield(fetch.task)
        if entry is None:
            return None
        return Fetched(
            edge=offer.edge,
            entry=entry,
            waited_s=self._clock.now() - asked_s,
            nbytes=entry.frame.nbytes if brings else 0,
        )

    async def _bring(self, offer: Offer, prompt: str) -> Entry | None:
        """Ask the neighbour, and hold its answer until it has passed over the line."""
        neighbour = self._neighbours[offer.edge]
        metrics = self._metrics[offer.edge]
        asked_s = self._clock.now()
        try:
            lent = await neighbour.port.lend(offer.prompt_key, offer.step)
            if lent is not None:
                lent.frame.verify(self._pipeline, offer.prompt_key)
                if lent.frame.step != offer.step:
                    raise FrameError(f"it is of step {lent.frame.step}, asked was {offer.step}")
        except FrameError as error:
            metrics.fetched("failed")
            self._forget(neighbour, offer)
            if not neighbour.damaged:
                neighbour.damaged = True
                self._notices.append(f"the neighbour {offer.edge} lent what is no good: {error}")
            return None
        except (EdgeUnreachable, PartDied, CacheCorrupted) as error:
            metrics.fetched("failed")
            self._lost(offer.edge, str(error))
            return None
        passage = self._line.book(0 if lent is None else lent.frame.nbytes, asked_s)
        if (fetch := self._fetches.get((offer.edge, (offer.prompt_key, offer.step)))) is not None:
            fetch.due_s = passage.due_s
        await self._line.hold(passage)
        metrics.fetched("gone" if lent is None else "done")
        if lent is None:
            self._forget(neighbour, offer)
            return None
        metrics.passed(passage.nbytes, self._clock.now() - asked_s)
        return Entry(prompt, lent.frame, lent.truncated)

    def _forget(self, neighbour: _Neighbour, offer: Offer) -> None:
        """A neighbour has an output no more: it is not asked again before its next digest."""
        steps = neighbour.steps.get(offer.prompt_key, ())
        neighbour.steps[offer.prompt_key] = tuple(step for step in steps if step != offer.step)
        neighbour.state = 0

    def _lost(self, name: str, why: str) -> None:
        """A neighbour did not answer: what it holds counts for nothing until its next digest."""
        neighbour = self._neighbours[name]
        neighbour.steps = {}
        neighbour.state = 0
        if neighbour.answers:
            neighbour.answers = False
            self._notices.append(
                f"the neighbour {name} lends nothing ({why}): outputs are computed here until it "
                f"answers again"
            )

    async def _follow(self, until_s: float) -> None:
        slot = 0
        while (at_s := slot * self._slot_seconds) < until_s:
            await self._clock.sleep_until(at_s)
            await asyncio.gather(*(self._ask(name) for name in self._neighbours))
            slot = max(slot, int(self._clock.now() / self._slot_seconds)) + 1

    async def _ask(self, name: str) -> None:
        """A neighbour's digest, once it has passed over the line."""
        neighbour = self._neighbours[name]
        asked_s = self._clock.now()
        try:
            digest = await neighbour.port.digest(neighbour.state)
        except (EdgeUnreachable, PartDied, CacheCorrupted) as error:
            self._lost(name, str(error))
            return
        passage = self._line.book(digest.nbytes, asked_s)
        await self._line.hold(passage)
        self._metrics[name].digested(digest.nbytes)
        if not neighbour.answers:
            neighbour.answers = True
            self._notices.append(f"the neighbour {name} answers again")
        neighbour.state = digest.state
        if digest.held is None:
            return
        steps: dict[str, tuple[int, ...]] = {}
        for key, step in digest.held:
            steps[key] = (*steps.get(key, ()), step)
        neighbour.steps = steps


def _draw(edge: str, prompt_key: str) -> bytes:
    """The edge of the largest draw is the one to keep a prompt's output."""
    return hashlib.blake2b(f"{edge} {prompt_key}".encode(), digest_size=8).digest()
