"""Requests that another prompt's output serves, in virtual time."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from edge_node.cache.indexed import IndexedStore
from edge_node.cache.staging import Staging
from edge_node.cache.store import Store
from edge_node.checks import Checks
from edge_node.edge import Edge
from edge_node.reports import plausible
from edge_node.similar import Finder
from edge_node.similar.any import AnyOutput
from midstep.clock import VirtualClock, run_virtual
from midstep.diffusion.engine import Engine
from midstep.errors import QueueFull
from midstep.reuse.embedding import WordsEmbedder
from midstep.reuse.guard import Guard
from midstep.reuse.likeness import Grammar
from midstep.telemetry.writers import GuardMetrics
from midstep.wire.identity import OutputKey, mixed_key, shared_seed
from midstep.wire.messages import Answer, Quality, QualitySample, Request
from midstep.wire.messages_control import CacheUpdate, Targets
from orchestrator.decision.problem import Problem
from orchestrator.policies.kinds.driver import RuleDriver
from orchestrator.policies.lru import Lru
from tests import paced
from tests.edge_node.world import FRAME, Wish, accesses, ask, keep

QUALITY = Quality(metric="fidelity", floor=1.0, share=0.99)
LION = "a lion on a green background"
TIGER = "a tiger on a green background"
HOUSE = "a house in the snow"


def with_donors(use: Callable[[Edge], Awaitable[Any]], *, step: int = 6, **options: Any) -> Any:
    """Run `use` with an edge that cuts where requests wish and serves any prompt from any other's
    output up to `step`."""

    async def world() -> Any:
        clock = VirtualClock()
        limits = {"queue_limit": options.pop("queue_limit", 100), "max_batch": 1}
        engine = Engine(paced.denoiser(FRAME), clock, profile=paced.PROFILE, **limits)
        embedder = WordsEmbedder()
        grammar = Grammar(None)
        pipeline = engine.denoiser.identity.digest()
        store = IndexedStore(
            Store(9 * FRAME, True),
            grammar,
            embedder.dimensions,
            lambda prompt: OutputKey.of(pipeline, prompt, None, 7).digest(),
        )
        edge = Edge(
            "edge-t",
            engine,
            store,
            Staging(9 * FRAME),
            clock,
            rule=Wish(6),
            split_step=6,
            seed=7,
            profile=paced.PROFILE,
            frame_bytes=FRAME,
            finder=Finder(store, AnyOutput(10, step=step), embedder, grammar),
            **options,
        )
        task = asyncio.create_task(engine.run())
        try:
            return await use(edge)
        finally:
            task.cancel()

    return run_virtual(world())


def wish(edge: Edge, prompt: str, cut: int, **changes: Any) -> Request:
    """A request that wants to be cut there, at the latest at step 10, and allows donors."""
    wanted = {"limit": 10, "quality": QUALITY, **changes}
    return ask(edge, prompt, backlog_s=float(cut), **wanted)


async def hold(edge: Edge, prompt: str, step: int) -> Answer:
    """Let the store hold that prompt's own output at a step."""
    answer = await edge.obtain(wish(edge, prompt, step, quality=None), 10)
    await keep(edge, answer)
    return answer


def key_of(edge: Edge, prompt: str) -> str:
    return OutputKey.of(edge.identity.digest(), prompt, None, 7).digest()


def test_another_prompts_output_is_handed_over_as_it_is() -> None:
    async def use(edge: Edge) -> tuple[Answer, Answer, Any]:
        held = await hold(edge, LION, 6)
        async with accesses(edge) as seen:
            answer = await edge.obtain(wish(edge, TIGER, 6), 10)
        return held, answer, seen[0]

    held, answer, access = with_donors(use)
    assert (answer.reuse, answer.frame) == ("similar", held.frame)
    assert (answer.edge_steps, answer.saved_steps, answer.edge_s) == (0, 6, 0.0)
    assert (answer.donor_key, answer.donor_prompt) == (held.frame.prompt_key, LION)
    assert (answer.seed, answer.likeness) == (shared_seed(LION, 7), "words .65")
    assert 0.6 < answer.similarity < 0.9
    assert access.hit and access.donor_key == held.frame.prompt_key
    assert access.prompt_key != held.frame.prompt_key and access.prompt == TIGER


def test_what_goes_on_from_a_donor_is_nobodys_original() -> None:
    async def use(edge: Edge) -> None:
        held = await hold(edge, LION, 4)
        staged = edge.staging.snapshot()
        two = await asyncio.gather(*(edge.obtain(wish(edge, TIGER, 7), 10) for _ in range(2)))
        donor = held.frame.prompt_key
        for answer in two:  # each its own: nobody joins such a trajectory
            assert (answer.reuse, answer.edge_steps, answer.saved_steps) == ("resumed", 3, 4)
            assert (answer.donor_key, answer.seed) == (donor, shared_seed(LION, 7))
            assert 0 < answer.similarity < 1 and answer.reused_step == 4
            mixed = mixed_key(key_of(edge, TIGER), donor, 4)
            answer.frame.verify(edge.identity.digest(), mixed)
        assert edge.staging.snapshot() == staged and not edge._flights
        refused = CacheUpdate(((mixed, 7), (key_of(edge, TIGER), 7)))
        assert (await edge.apply(refused)).admitted == 0

    with_donors(use)


def test_the_furthest_held_step_counts_and_of_equals_the_prompts_own() -> None:
    async def use(edge: Edge) -> list[tuple[str, int, str | None]]:
        answers = []
        await hold(edge, LION, 6)
        await hold(edge, HOUSE, 4)
        for own in (3, 6):
            await hold(edge, TIGER, own)
            answer = await edge.obtain(wish(edge, TIGER, own), 10)
            answers.append((answer.reuse, answer.frame.step, answer.donor_prompt))
        return answers

    assert with_donors(use) == [("similar", 6, LION), ("exact", 6, None)]


def test_a_prompt_that_the_plan_wants_is_made_as_an_original() -> None:
    async def use(edge: Edge) -> list[str]:
        await hold(edge, LION, 6)
        key = key_of(edge, TIGER)
        await edge.apply(CacheUpdate(targets=Targets(((key, 5),))))
        planned = await edge.obtain(wish(edge, TIGER, 6), 10)
        assert edge.staging.peek(key, 5) is not None
        await edge.apply(CacheUpdate(targets=Targets()))
        return [planned.reuse, (await edge.obtain(wish(edge, TIGER, 6), 10)).reuse]

    assert with_donors(use) == ["computed", "similar"]


@pytest.mark.parametrize(
    "changes",
    [
        {"quality": None},
        {"private_seed": 3},
        {"limit": 5},
        # a quality that there is not counts as not said
        {"quality": replace(QUALITY, metric="beauty")},
        {"quality": replace(QUALITY, floor=math.nan)},
        {"quality": replace(QUALITY, share=1.0)},
    ],
)
def test_who_allows_no_donor_or_none_so_far_gets_none(changes: dict[str, Any]) -> None:
    async def use(edge: Edge) -> tuple[str, str]:
        await hold(edge, LION, 6)
        answer = await edge.obtain(wish(edge, TIGER, 6, **changes), 10)
        return answer.reuse, answer.donor_key

    assert with_donors(use) == ("computed", "")


def test_a_negative_prompt_is_served_by_its_own_outputs_alone() -> None:
    async def use(edge: Edge) -> list[str]:
        await keep(edge, await edge.obtain(wish(edge, LION, 6, negative="fur"), 10))
        answers = [await edge.obtain(wish(edge, TIGER, 6), 10)]
        await hold(edge, LION, 6)
        for negative in ("fur", "snow"):
            answers.append(await edge.obtain(wish(edge, TIGER, 6, negative=negative), 10))
        return [answer.reuse for answer in answers]

    assert with_donors(use) == ["computed"] * 3


def test_a_class_that_there_is_not_counts_as_not_said() -> None:
    request = Request(request_id="r", prompt="p", pipeline="p", limit=1, kind="size")
    assert plausible(request) == request
    assert plausible(replace(request, kind="x" * 1000)).kind == ""


def test_a_private_output_is_no_donor() -> None:
    async def use(edge: Edge) -> str:
        mine = await edge.obtain(wish(edge, LION, 6, private_seed=3), 10)
        assert (await edge.apply(CacheUpdate(((mine.frame.prompt_key, 6),)))).admitted == 0
        return (await edge.obtain(wish(edge, TIGER, 6), 10)).reuse

    assert with_donors(use) == "computed"


def test_a_discreet_edge_tells_no_prompt() -> None:
    async def use(edge: Edge) -> Answer:
        await hold(edge, LION, 6)
        return await edge.obtain(wish(edge, TIGER, 6), 10)

    answer = with_donors(use, discreet=True)
    assert (answer.reuse, answer.donor_prompt) == ("similar", None)
    assert answer.donor_key == answer.frame.prompt_key


def test_where_the_queue_is_full_the_donor_is_handed_over_early() -> None:
    async def use(edge: Edge) -> tuple[str, int]:
        await hold(edge, LION, 4)
        tasks = []
        for number in range(2):  # one is computed, one waits
            request = wish(edge, f"{HOUSE} {number}", 9, quality=None)
            tasks.append(asyncio.create_task(edge.obtain(request, 10)))
            await asyncio.sleep(0.015)
        answer = await edge.obtain(wish(edge, TIGER, 9), 10)
        with pytest.raises(QueueFull):
            await edge.obtain(wish(edge, TIGER, 9, quality=None), 10)
        await asyncio.gather(*tasks)
        return answer.reuse, answer.frame.step

    assert with_donors(use, queue_limit=1) == ("similar", 4)


@pytest.mark.parametrize(
    ("bad_cut", "reuse", "cut"), [(None, "resumed", 9), (12, "resumed", 6), (9, "similar", 4)]
)
def test_a_joined_ceiling_lowers_the_cut_of_what_goes_on_from_a_donor(
    bad_cut: int | None, reuse: str, cut: int
) -> None:
    """At the lowest to the donor's own step; another ending, or another likeness, has its own."""

    async def use(edge: Edge) -> None:
        await hold(edge, LION, 4)
        edge.checks = checks = Checks(Guard(0.05), 12, 7, GuardMetrics("edge-t"))
        for _ in range(20 if bad_cut else 0):
            assert bad_cut is not None
            sample = QualitySample(
                request_id="r",
                kind="words .65, then size",
                step=bad_cut,
                quality=QUALITY,
                good=False,
            )
            checks.report(sample)
        answer = await edge.obtain(wish(edge, TIGER, 9, kind="size"), 10)
        assert (answer.reuse, answer.frame.step, answer.reused_step) == (reuse, cut, 4)
        assert answer.check and answer.likeness == "words .65"
        for other in ("position", "core"):
            answer = await edge.obtain(wish(edge, TIGER, 9, kind=other), 10)
            assert (answer.reuse, answer.frame.step) == ("resumed", 9)

    with_donors(use)


def test_a_joined_ceiling_leaves_the_prompts_own_trajectory_alone() -> None:
    async def use(edge: Edge) -> None:
        edge.checks = checks = Checks(Guard(0.05), 10, 7, GuardMetrics("edge-t"))
        for _ in range(20):
            sample = QualitySample(
                request_id="r", kind="words .65, then size", step=9, quality=QUALITY, good=False
            )
            checks.report(sample)
        await hold(edge, LION, 4)
        own = asyncio.create_task(edge.obtain(wish(edge, TIGER, 9, quality=None), 10))
        await asyncio.sleep(0.045)  # it is past the donor's step
        answer = await edge.obtain(wish(edge, TIGER, 9, kind="size"), 10)
        await own
        assert (answer.reuse, answer.frame.step) == ("shared", 9)

    with_donors(use)


def test_a_donors_use_is_a_touch_of_the_donor_alone() -> None:
    async def use(edge: Edge) -> None:
        driver = RuleDriver(Lru())
        driver.policy.reset(Problem(2 * FRAME, 10, 6, frame_bytes=FRAME), 1)
        async with accesses(edge) as seen:

            async def shown(prompt: str, cut: int, **changes: Any) -> CacheUpdate:
                await edge.obtain(wish(edge, prompt, cut, **changes), 10)
                await asyncio.sleep(0)
                update = driver.access(seen[-1])
                await edge.apply(update)
                return update

            for prompt in (LION, HOUSE):
                await shown(prompt, 6, quality=None)
            # the nearest output is the lion's; what is made of it brings nothing to keep
            assert not await shown(TIGER, 6)
            assert not await shown(TIGER, 9)
            update = await shown("seven boats", 6, quality=None)
        assert [access.reuse for access in seen[2:4]] == ["similar", "resumed"]
        assert update.evict == (key_of(edge, HOUSE),)

    with_donors(use)
