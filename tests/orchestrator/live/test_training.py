"""Training beside the decision path, and a learner's state taken from one and given to another."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from edge_node.edge import Edge
from midstep.clock import WallClock
from midstep.errors import PolicyFailed, RecordError
from orchestrator import policies
from orchestrator.decision.problem import Problem, Served
from orchestrator.live import checkpoint
from orchestrator.live.learner import Learner
from orchestrator.live.slot_decision import Decision
from tests.edge_node.world import FRAME, ask, make_edge, with_edge
from tests.orchestrator.live.test_learner import served
from tests.orchestrator.live.tiny_policy import Tiny, tiny

__all__ = ["tiny"]


def learner(edge: Edge, beside: bool, name: str = "tiny") -> Learner:
    problem = Problem(edge.store.capacity, 10, 6, frame_bytes=FRAME)
    return Learner(policies.find(name), problem, 7, edge, by_slot=True, target_s=1.0, beside=beside)


def policy(part: Learner) -> Tiny:
    assert isinstance(part.policy, Tiny)
    return part.policy


def on_the_wall(use: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(use, 20))


async def until(met: Callable[[], bool]) -> None:
    """Let this loop's other tasks go on until the condition is met: it hangs on no time."""
    for _ in range(10_000):
        if met():
            return
        await asyncio.sleep(0)
    raise AssertionError("the other tasks have nothing left to do, and it is not met")


async def trained(part: Learner) -> None:
    """Wait for the training that goes on in the thread."""
    assert part._training.task is not None
    await asyncio.wait({part._training.task}, timeout=20)


async def slots(edge: Edge, part: Learner, *prompts_of_slots: str) -> list[Decision]:
    """A slot for each text of one-letter prompts."""
    decisions = []
    for number, prompts in enumerate(prompts_of_slots):
        await served(edge, prompts)
        await asyncio.sleep(0.001)
        decisions.append(await part.end_slot(number, [Served(p, False, 3.0) for p in prompts]))
    return decisions


def test_in_virtual_time_training_is_inline_and_a_row_tells_of_the_one_before(
    tiny: type[Tiny],
) -> None:
    async def use(edge: Edge) -> tuple[list[Decision], Tiny]:
        part = learner(edge, beside=False)
        part.start()
        return await slots(edge, part, "ab", "ab", "c"), policy(part)

    decisions, trained = with_edge(use)
    assert [d.stats and (d.stats.loss, d.stats.k, d.stats.updates) for d in decisions] == [
        None,
        (1, 3, 1),
        (0.5, 3, 2),
    ]
    assert set(trained.threads) == {"MainThread"}
    assert [d.gap_to_exact for d in decisions] == [None, 0, None]  # c could not have been held
    assert decisions[0].store_entries == 2


def test_a_training_is_told_once(tiny: type[Tiny]) -> None:
    tiny.every = 2

    async def use(edge: Edge) -> list[Decision]:
        return await slots(edge, learner(edge, beside=False), "a", "a", "a", "a", "a")

    assert [d.stats and d.stats.updates for d in with_edge(use)] == [None, None, 1, None, 2]


def test_a_slots_answer_and_its_accesses_do_not_wait_for_training(tiny: type[Tiny]) -> None:
    """The training ends when the test lets it: whatever is awaited before that does not wait."""
    tiny.goes_on = threading.Event()

    async def use() -> None:
        edge = make_edge(WallClock())
        ticking = asyncio.create_task(edge.engine.run())
        training = learner(edge, beside=True)
        training.start()
        await training.end_slot(0, [])  # answers
        assert await asyncio.to_thread(policy(training).trains.wait, 20)
        await edge.obtain(ask(edge, "a"), 10)
        await until(lambda: len(training._accesses) == 1)  # follows
        assert policy(training).updates == 0, "all of this while the training goes on"
        # the next plan waits for it: the policy does one thing at a time
        second = asyncio.create_task(training.end_slot(1, []))
        await until(lambda: bool(training._turn._waiters))
        assert not second.done() and policy(training).updates == 0
        tiny.goes_on.set()  # type: ignore[union-attr]
        await second
        assert policy(training).updates >= 1
        await trained(training)
        blob = await training.checkpoint({})
        assert checkpoint.unpack(blob)["policy"]["updates"] == policy(training).updates == 2
        assert policy(training).overlaps == 0 and all(
            name.startswith("learner") for name in policy(training).threads
        )
        await training.close()
        ticking.cancel()

    on_the_wall(use())


@pytest.mark.parametrize("beside", [False, True])
def test_a_training_that_fails_is_told_and_names_the_policy(tiny: type[Tiny], beside: bool) -> None:
    tiny.fails = True

    async def use() -> None:
        training = learner(make_edge(WallClock()), beside)
        training.start()
        with pytest.raises(
            PolicyFailed, match="policy tiny failed: ArithmeticError: the loss is not a number"
        ) as error:
            await training.end_slot(0, [])
            assert beside, "inline it is told at once"
            await trained(training)
            await training.end_slot(1, [])
        assert "in learn" in error.value.traceback
        await training.close()

    on_the_wall(use())


def test_planners_are_warmed_up_before_they_begin_and_nothing_of_it_stays(tiny: type[Tiny]) -> None:
    reset = Tiny.reset
    made_of = []

    def noted(self: Tiny, problem: Problem, seed: int) -> None:
        made_of.append(self)
        reset(self, problem, seed)

    tiny.reset = noted  # type: ignore[method-assign]

    async def use() -> None:
        part = learner(make_edge(WallClock()), beside=True)
        await part.open(None)
        scratch = made_of[1]
        assert made_of[0] is part.policy and len(made_of) == 2
        assert scratch.count and scratch.updates == 1 and scratch.threads[0].startswith("learner")
        assert policy(part).count == {} and policy(part).updates == 0
        tiny.fails = True
        with pytest.raises(PolicyFailed, match="policy tiny failed: ArithmeticError"):
            await learner(make_edge(WallClock()), beside=True).open(None)

    on_the_wall(use())


def test_another_learner_goes_on_where_a_state_was_taken_with_what_the_edge_really_holds(
    tiny: type[Tiny],
) -> None:
    async def use(edge: Edge) -> None:
        first = learner(edge, beside=False)
        first.start()
        await slots(edge, first, "aabc", "aab")
        state = await first.checkpoint({"users": 4})
        await first.close()
        second = learner(edge, beside=False)
        await second.open(state)
        assert policy(second).count == policy(first).count != {}
        assert policy(second).batch.tolist() == policy(first).batch.tolist()
        assert second.virtual_queue.queue_s == first.virtual_queue.queue_s == pytest.approx(4.0)
        assert (
            checkpoint.unpack(await second.checkpoint({})).keys() == checkpoint.unpack(state).keys()
        )
        second.start()
        assert (await slots(edge, second, "d"))[0].store_entries == 3  # d was asked for least

    with_edge(use)


@pytest.mark.parametrize("saved", [False, True])
def test_a_rule_that_takes_over_knows_what_the_store_holds(saved: bool) -> None:
    async def use(edge: Edge) -> list[str]:
        first = learner(edge, beside=False, name="lru")
        first.start()
        await slots(edge, first, "abc")
        assert len(edge.store) == 3
        second = learner(edge, beside=False, name="lru")
        await second.open(await first.checkpoint({}) if saved else None)
        await first.close()
        second.start()
        # one of the three has to leave: a rule that thinks it is empty would be refused
        await slots(edge, second, "d")
        return await served(edge, "d")

    assert with_edge(use) == ["exact"]


def test_a_state_that_does_not_fit_the_policy_is_told(tiny: type[Tiny]) -> None:
    async def use(edge: Edge) -> None:
        part = learner(edge, beside=False)
        state = checkpoint.unpack(await part.checkpoint({}))
        del state["policy"]["count"]
        with pytest.raises(RecordError, match=r"state that was kept: policy\.count is missing"):
            await part.open(checkpoint.pack(state))

    with_edge(use)


def test_a_state_that_cannot_be_kept_is_told(tiny: type[Tiny]) -> None:
    async def use(edge: Edge) -> None:
        part = learner(edge, beside=False)
        policy(part).count = {"a": {1, 2}}  # type: ignore[dict-item]
        with pytest.raises(
            PolicyFailed, match=r"policy tiny: its state cannot be kept: policy\.count\.a is a set"
        ):
            await part.checkpoint({})

    with_edge(use)


def test_a_target_that_is_given_goes_before_the_one_that_was_found(tiny: type[Tiny]) -> None:
    async def use(edge: Edge) -> None:
        earlier = learner(edge, beside=False)
        earlier.virtual_queue.target_s = 9.0
        state = await earlier.checkpoint({})
        resumed = learner(edge, beside=False)
        await resumed.open(state)
        assert resumed.virtual_queue.target_s == 1.0
        resumed.virtual_queue.target_s = None
        await resumed.open(state)
        assert resumed.virtual_queue.target_s == 9.0

    with_edge(use)
