"""Every step that is computed is charged once, and every request gets what it asked for, whatever
comes, goes, is kept and is dropped meanwhile: random schedules in virtual time."""

from __future__ import annotations

import asyncio
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_node.cut import AtLimit, Considerate, CutRule, Fastest, FixedStep, Planned
from edge_node.edge import Edge
from edge_node.flight import Flight, Origin, Passenger
from edge_node.flights import Flights
from midstep.clock import WallClock
from midstep.errors import QueueFull
from midstep.wire.identity import OutputKey, shared_seed
from midstep.wire.messages import Answer
from midstep.wire.messages_control import CacheUpdate, Targets
from tests.edge_node.marked import MarkedDenoiser, mark
from tests.edge_node.world import FRAME, Wish, ask, make_edge, with_edge

STEPS = 10
RULES: list[type[CutRule]] = [Wish, FixedStep, AtLimit, Fastest, Considerate, Planned]


@dataclass(frozen=True)
class Ask:
    """A request: ticks after the event before; seconds after which it is cancelled, if it is."""

    ticks: float
    prompt: str
    cut: int
    more: int
    private: int | None
    timeout_s: float
    patience_s: float | None


@dataclass(frozen=True)
class Change:
    """A policy's update: what of staging it admits, what of the store it evicts (None: the prompt
    of the output), where it wants outputs."""

    ticks: float
    admit: tuple[int, ...]
    evict: tuple[int, ...]
    whole: bool
    targets: tuple[tuple[str, int], ...] | None


PROMPTS = ["a panda", "a pig", "a fox"]
ticks = st.sampled_from([0.0, 0.0, 0.4, 1.0, 2.3, 7.0, 30.0])
index = st.lists(st.integers(0, 9), max_size=3).map(tuple)
wants: dict[str, st.SearchStrategy[Any]] = dict(
    ticks=ticks,
    prompt=st.sampled_from(PROMPTS),
    cut=st.integers(1, STEPS),
    more=st.sampled_from([0, 0, 1, 3, 9]),
    private=st.sampled_from([None, None, None, None, 1]),
)
requests = st.builds(
    Ask,
    **wants,
    timeout_s=st.sampled_from([1e3, 1e3, 1e3, 0.05]),
    patience_s=st.sampled_from([None, None, None, 0.0, 0.015, 0.04]),
)
calm = st.builds(Ask, **wants, timeout_s=st.just(1e3), patience_s=st.none())
changes = st.builds(
    Change,
    ticks=ticks,
    admit=index,
    evict=index,
    whole=st.booleans(),
    targets=st.none()
    | st.lists(st.tuples(st.sampled_from(PROMPTS), st.integers(0, STEPS + 2)), max_size=3).map(
        tuple
    ),
)
engines = st.fixed_dictionaries(
    {
        "max_batch": st.sampled_from([1, 2, 8]),
        "queue_limit": st.sampled_from([1, 100]),
        "several": st.booleans(),
        "batched": st.sampled_from([True, True, False]),
        "rule": st.sampled_from(RULES),
        "tight": st.booleans(),
    }
)


class Watched(Flights):
    """Checks that nobody begins a trajectory that is already in flight."""

    def begin(self, origin: Origin, cut: int) -> tuple[Flight, Passenger]:
        for other in self._flights.get(origin.prompt_key, ()):
            reachable = other.serves(cut, cut) is not None
            assert origin.private or other.until < origin.step or not reachable
        return super().begin(origin, cut)


class World:
    """Plays a schedule on an edge, and checks what comes of it."""

    def __init__(self, edge: Edge) -> None:
        self.edge = edge
        edge._flights.__class__ = Watched
        self.answers: list[Answer] = []
        self.errors: list[type[BaseException]] = []

    def seed(self, prompt: str, private: int | None) -> int:
        return shared_seed(prompt, self.edge.seed) if private is None else private

    def key(self, prompt: str, private: int | None = None) -> str:
        pipeline = self.edge.identity.digest()
        seed = self.seed(prompt, private)
        return OutputKey(pipeline, prompt, seed, private is not None).digest()

    async def play(self, events: list[Ask | Change]) -> None:
        flying = []
        for event in events:
            await asyncio.sleep(0.010 * event.ticks)
            if isinstance(event, Ask):
                flying.append(asyncio.create_task(self.request(event)))
            else:
                await self.change(event)
            self.check_bounds()
        async with asyncio.timeout(100):  # nobody hangs
            await asyncio.gather(*flying)
        await asyncio.sleep(0.2)
        self.check_bounds()
        assert self.edge.engine.in_flight == self.edge.engine.queue_depth == 0
        assert not self.edge._flights

    async def request(self, plan: Ask) -> None:
        limit = min(STEPS, plan.cut + plan.more)
        wanted = ask(
            self.edge,
            plan.prompt,
            limit=limit,
            private_seed=plan.private,
            backlog_s=float(plan.cut),
        )
        call = asyncio.create_task(self.edge.obtain(wanted, plan.timeout_s))
        if plan.patience_s is not None:
            asyncio.get_running_loop().call_later(plan.patience_s, call.cancel)
        try:
            answer = await call
        except (QueueFull, TimeoutError, asyncio.CancelledError) as error:
            self.errors.append(type(error))
            return
        self.answers.append(answer)
        step = answer.frame.step
        assert 1 <= step <= limit
        assert answer.edge_steps + answer.saved_steps == step
        assert answer.edge_steps >= 0 and answer.saved_steps >= 0
        answer.frame.verify(self.edge.identity.digest(), self.key(plan.prompt, plan.private))
        seed = self.seed(plan.prompt, plan.private)
        assert answer.frame.payload == mark(plan.prompt, seed, step)
        if answer.reuse in {"exact", "final"}:
            assert (answer.edge_steps, answer.reused_step) == (0, step)
        elif answer.reuse == "resumed":
            assert 0 < answer.reused_step < step
        elif answer.reuse == "computed":
            assert answer.reused_step == 0
        if plan.private is not None:
            assert answer.reuse == "computed"

    async def change(self, change: Change) -> None:
        staged = self.edge.staging.snapshot()
        held = self.edge.store.snapshot()
        admit = [staged[i % len(staged)] for i in change.admit if staged]
        evict = [held[i % len(held)] for i in change.evict if held]
        targets = None
        if change.targets is not None:
            targets = Targets(tuple((self.key(p), step) for p, step in change.targets), 0.01)
        await self.edge.apply(
            CacheUpdate(
                tuple((one.prompt_key, one.step) for one in admit),
                tuple(
                    one.prompt_key if change.whole else (one.prompt_key, one.step) for one in evict
                ),
                targets,
            )
        )

    def check_bounds(self) -> None:
        edge = self.edge
        edge.integrity.check()
        assert edge.store.nbytes <= edge.store.capacity
        assert edge.staging.nbytes <= edge.staging.capacity
        private = {self.key(prompt, private=1) for prompt in PROMPTS}
        for output in (*edge.store.snapshot(), *edge.staging.snapshot()):
            assert output.prompt_key not in private
        if not edge.store.several:  # type: ignore[attr-defined]
            keys = [output.prompt_key for output in edge.store.snapshot()]
            assert len(keys) == len(set(keys))


def play(events: list[Ask | Change], options: dict[str, Any]) -> tuple[World, int]:
    options = dict(options)
    tight = options.pop("tight")
    denoiser = MarkedDenoiser(batched=options.pop("batched"))
    rule = options.pop("rule")(6)
    worlds: list[World] = []

    async def use(edge: Edge) -> int:
        worlds.append(World(edge))
        await worlds[0].play(events)
        return edge.engine.steps

    capacity = (2 if tight else 30) * FRAME
    steps = with_edge(
        use, capacity=capacity, staging=capacity, denoiser=denoiser, rule=rule, **options
    )
    return worlds[0], steps


QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@QUICK
@given(events=st.lists(calm | calm | changes, min_size=2, max_size=14), options=engines)
def test_each_step_is_charged_to_one_answer(
    events: list[Ask | Change], options: dict[str, Any]
) -> None:
    world, steps = play(events, {**options, "queue_limit": 100})
    assert not world.errors
    assert sum(answer.edge_steps for answer in world.answers) == steps


@QUICK
@given(events=st.lists(requests | requests | changes, min_size=2, max_size=14), options=engines)
def test_who_gives_up_takes_nothing_from_the_others(
    events: list[Ask | Change], options: dict[str, Any]
) -> None:
    world, steps = play(events, options)
    assert sum(answer.edge_steps for answer in world.answers) <= steps
    asked = sum(isinstance(event, Ask) for event in events)
    assert len(world.answers) + len(world.errors) == asked


@pytest.mark.parametrize("batched", [True, False])
async def test_a_real_computing_thread_changes_nothing_of_it(batched: bool) -> None:
    """Requests come while the thread begins, advances and packs."""
    draw = random.Random(5)
    with ThreadPoolExecutor(1) as thread:
        edge = make_edge(
            WallClock(),
            capacity=30 * FRAME,
            staging=30 * FRAME,
            several=True,
            rule=Wish(6),
            denoiser=MarkedDenoiser(batched=batched),
            executor=thread,
            profile=None,
            max_batch=2,
        )
        engine = asyncio.create_task(edge.engine.run())
        world = World(edge)
        schedule: list[Ask | Change] = []
        for _ in range(150):
            after = draw.choice([0.0, 0.01, 0.03])
            prompt = draw.choice(PROMPTS)
            schedule.append(
                Ask(after, prompt, draw.randint(1, STEPS), draw.randint(0, 4), None, 1e3, None)
            )
            if draw.random() < 0.2:
                schedule.append(Change(0.0, (draw.randint(0, 9),), (0,), False, None))
        await world.play(schedule)
        engine.cancel()
    assert len(world.answers) == 150
    assert sum(answer.edge_steps for answer in world.answers) == edge.engine.steps
