"""A run of fake parts in virtual time, for the slot loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from midstep.clock import VirtualClock, run_virtual
from midstep.errors import PartDied
from midstep.scenario_file import parse
from midstep.telemetry.record import RequestRow
from midstep.telemetry.writers import RunMetrics
from orchestrator.decision.problem import Served, slot_cost
from orchestrator.live.cell import Cell, Census, EdgeStatus, Parts
from orchestrator.live.observer import Observer
from orchestrator.live.slot_decision import Decision
from orchestrator.live.slot_loop import SlotLoop
from orchestrator.records.recorder import Recorder
from orchestrator.records.rows import EndedRequest, SlotRow
from tests import paced

Wait = Callable[[float], float]  # from the scenario's time to how long an answer takes


def promptly(now: float) -> float:
    return 0.0


@dataclass
class Part:
    """What all fakes have: how long an answer takes, when the part dies, when it was asked."""

    name: str
    wait: Wait = promptly
    dies_s: float = 1e9
    calls: list[float] = field(default_factory=list)

    async def answer(self) -> float:
        """Wait; the time now."""
        loop = asyncio.get_running_loop()
        self.calls.append(loop.time())
        await asyncio.sleep(self.wait(loop.time()))
        if loop.time() >= self.dies_s:
            raise PartDied(f"{self.name} died")
        return loop.time()


@dataclass
class FakeHost(Part):
    """Has a picture every `each_s` seconds, the first at `each_s`; stops asking at once, and then
    has one more picture `in_flight_s` later."""

    edge: str = "edge-0"
    each_s: float = 1.0
    in_flight_s: float = 0.5
    devices: list[Any] = field(default_factory=lambda: [SimpleNamespace(user=0, kind="phone")])
    slot_seconds: float = 2.0
    ends: list[float] = field(default_factory=list)
    drained: int = 0
    stopped_s: float | None = None
    gone: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        for spec in self.devices:
            spec.edge = self.edge

    async def leave(self, users: list[int]) -> None:
        self.gone += users

    async def drain(self) -> tuple[list[EndedRequest], bool]:
        now = await self.answer()
        until = now if self.stopped_s is None else self.stopped_s
        while (len(self.ends) + 1) * self.each_s <= until:
            self.ends.append((len(self.ends) + 1) * self.each_s)
        ends = list(self.ends)
        if self.stopped_s is not None and now >= self.stopped_s + self.in_flight_s:
            ends.append(self.stopped_s + self.in_flight_s)
        fresh = ends[self.drained :]
        self.drained = len(ends)
        return [
            EndedRequest(self._row(number, at), None) for number, at in _numbered(fresh, ends)
        ], False

    async def stop(self, grace_s: float) -> None:
        if self.stopped_s is None:
            self.stopped_s = asyncio.get_running_loop().time()
        await asyncio.sleep(min(grace_s, self.in_flight_s))

    def _row(self, number: int, at_s: float) -> RequestRow:
        return RequestRow(
            request_id=f"{self.name}-{number}",
            edge=self.edge,
            user=number,
            device_class="phone",
            process_id=1,
            prompt="a panda",
            edge_prompt="a panda",
            prompt_key="a",
            slot=int(at_s // self.slot_seconds),
            result="done",
            reuse="exact" if number % 2 else "computed",
            arrived_s=at_s,
            total_s=1.0,
        )


def _numbered(fresh: list[float], ends: list[float]) -> list[tuple[int, float]]:
    first = len(ends) - len(fresh)
    return [(first + number, at) for number, at in enumerate(fresh)]


@dataclass
class FakeEdge(Part):
    async def status(self) -> EdgeStatus:
        await self.answer()
        return EdgeStatus(1, 2)


@dataclass
class FakeLearner(Part):
    process_id = 1
    served: dict[int, list[Served]] = field(default_factory=dict)
    begun: list[tuple[int, float, int]] = field(default_factory=list)  # slot, instant, expected
    plans: Wait = promptly

    async def begin_slot(self, slot: int, expected: int) -> None:
        loop = asyncio.get_running_loop()
        self.begun.append((slot, loop.time(), expected))
        await asyncio.sleep(self.plans(loop.time()))
        if loop.time() >= self.dies_s:
            raise PartDied(f"{self.name} died")

    async def end_slot(self, slot: int, served: list[Served]) -> Decision:
        self.served[slot] = served
        await self.answer()
        return Decision(
            cost=slot_cost(served),
            queue_s=float(slot),
            drift_plus_penalty=0.0,
            decision_s=0.1,
            store_bytes=3,
            store_entries=4,
            admitted=1,
            evicted=0,
            stats=None,
            gap_to_exact=None,
        )

    async def checkpoint(self, setting: Any) -> bytes:
        await self.answer()
        return b"state"


@dataclass
class World:
    """A run of two edges with two hosts each; what the loop left."""

    folder: Path
    duration_s: float = 20.0
    stop_s: float = 1e9
    coupled: bool = False
    census: Callable[[], Coroutine[Any, Any, Census]] | None = None
    hosts: list[FakeHost] = field(default_factory=list)
    edges: list[FakeEdge] = field(default_factory=list)
    learners: list[FakeLearner] = field(default_factory=list)
    deaths: list[str] = field(default_factory=list)
    news: list[str] = field(default_factory=list)
    renewed: int = 0
    ended_s: float = 0.0
    slots: list[SlotRow] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("north", "south"):
            self.edges.append(FakeEdge(name))
            self.learners.append(FakeLearner(f"the learner of {name}"))
            self.hosts += [FakeHost(f"{name}-{letter}", edge=name) for letter in "ab"]

    def play(self) -> World:
        run_virtual(self._play())
        return self

    async def _play(self) -> None:
        edges = [{"name": name, "capacity": "64KiB"} for name in ("north", "south")]
        tree = paced.tree(duration_s=self.duration_s, slot_seconds=2, edges=edges)
        if self.coupled:
            tree["modes"]["edge"] = "coupled"
            tree["policy"] = {"name": "greedy", "timing": "reactive"}
            tree["workload"] = {"arrivals": {"slotted": {"per_user": 3}}}
        scenario = parse(tree)
        recorder = Recorder(self.folder, scenario)
        cells = []
        for edge, learner in zip(self.edges, self.learners, strict=True):
            about: Any = SimpleNamespace(edge=edge.name, pipeline=paced.identity())
            hosts: list[Any] = [host for host in self.hosts if host.edge == edge.name]
            cells.append(
                Cell(
                    description=about,
                    edge=cast(Any, edge),
                    address="",
                    learner=cast(Any, learner),
                    hosts=hosts,
                    host=_no_host,
                )
            )
        stopping = asyncio.Event()
        asyncio.get_running_loop().call_later(self.stop_s, stopping.set)
        observer = Observer(
            announce=self.news.append, death=self.deaths.append, renew_targets=self._renew
        )
        clock = VirtualClock()
        clock.begin(0.0)
        self.loop = SlotLoop(
            scenario,
            Parts(cells=cells, targets=[], census=self.census),
            clock,
            recorder,
            RunMetrics(),
            observer,
            {},
        )
        await self.loop.run(stopping, lambda progress: None)
        self.ended_s = asyncio.get_running_loop().time()
        self.slots = recorder.slots
        self.rows = recorder.rows
        recorder.discard()

    def _renew(self) -> None:
        self.renewed += 1

    def of(self, edge: str) -> list[SlotRow]:
        return [row for row in self.slots if row.edge == edge]


async def _no_host(devices: Any) -> Any:
    raise AssertionError("nobody scales this run")


def silent_from(instant_s: float, until_s: float = 1e9) -> Wait:
    """An answer that is asked for after `instant_s` comes at `until_s`."""
    return lambda now: max(0.0, until_s - now) if instant_s <= now < until_s else 0.0
