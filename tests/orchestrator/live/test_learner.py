import asyncio

import pytest

from edge_node.edge import Edge
from midstep.errors import EdgeUnreachable, PolicyFailed
from midstep.telemetry.metrics import REGISTRY
from midstep.wire.messages_control import CacheSnapshot, CacheUpdate, CacheUpdateResult, Targets
from orchestrator import policies
from orchestrator.decision.problem import Problem, Served
from orchestrator.live.learner import Learner
from orchestrator.live.slot_decision import Decision
from orchestrator.live.updates import merge
from tests.edge_node.world import FRAME, ask, with_edge


def learner(edge: Edge, name: str, by_slot: bool = False) -> Learner:
    return Learner(
        policies.find(name),
        Problem(edge.store.capacity, 10, 6),
        7,
        edge,
        by_slot=by_slot,
        target_s=1.0,
    )


async def served(edge: Edge, prompts: str) -> list[str]:
    """Ask for one-letter prompts in turn; how each was come by."""
    return [
        (await edge.obtain(ask(edge, letter), 10)).reuse
        for letter in prompts
        if not await asyncio.sleep(0.001)
    ]


def test_a_rule_acts_at_once() -> None:
    async def use(edge: Edge) -> tuple[list[str], int]:
        part = learner(edge, "lru")
        part.start()
        await asyncio.sleep(0.001)
        reuse = await served(edge, "abcabdab")
        await part.close()
        return reuse, edge.store.nbytes

    reuse, nbytes = with_edge(use)
    assert reuse == ["computed"] * 3 + ["exact"] * 2 + ["computed"] + ["exact"] * 2
    assert nbytes == 3 * FRAME


def test_held_back_to_the_slot_the_same_rule_acts_at_its_end() -> None:
    async def use(edge: Edge) -> tuple[list[str], Decision]:
        part = learner(edge, "lru", by_slot=True)
        part.start()
        await asyncio.sleep(0.001)
        first = await served(edge, "aabcd")
        await asyncio.sleep(0.001)
        decision = await part.end_slot(0, [Served("a", False, 3.0)])
        second = await served(edge, "abcd")
        await part.close()
        return first + second, decision

    reuse, decision = with_edge(use)
    assert reuse == ["computed"] * 5 + ["computed"] + ["exact"] * 3
    assert (decision.admitted, decision.store_entries, decision.store_bytes) == (3, 3, 3 * FRAME)
    assert decision.queue_s == pytest.approx(2.0)


def test_the_objective_of_33_has_the_queue_of_its_own_slot() -> None:
    """Lbar is 1 s, V 1.8 s: Q is 0 in the first slot, 2 s in the second, 4 s in the third."""

    async def use(edge: Edge) -> list[tuple[float, float]]:
        ahead = learner(edge, "none")
        ahead.start()
        decisions = [await ahead.end_slot(slot, [Served("a", False, 3.0)]) for slot in range(3)]
        await ahead.close()
        return [(d.drift_plus_penalty, d.queue_s) for d in decisions]

    assert with_edge(use) == [
        (pytest.approx(0 * 2 + 1.8 * 3), pytest.approx(2.0)),
        (pytest.approx(2 * 2 + 1.8 * 3), pytest.approx(4.0)),
        (pytest.approx(4 * 2 + 1.8 * 3), pytest.approx(6.0)),
    ]


def test_the_objective_takes_the_problems_v() -> None:
    async def use(edge: Edge) -> float:
        problem = Problem(edge.store.capacity, 10, 6, weight_v=0.5)
        ahead = Learner(policies.find("none"), problem, 7, edge, by_slot=False, target_s=1.0)
        ahead.start()
        decision = await ahead.end_slot(0, [Served("a", False, 3.0)])
        await ahead.close()
        return decision.drift_plus_penalty

    assert with_edge(use) == pytest.approx(0.5 * 3)


def test_none_keeps_nothing() -> None:
    async def use(edge: Edge) -> list[str]:
        part = learner(edge, "none")
        part.start()
        await asyncio.sleep(0.001)
        reuse = await served(edge, "aaa")
        await part.close()
        return reuse

    assert with_edge(use) == ["computed"] * 3


def test_a_policy_that_fails_is_named_and_the_edge_keeps_serving() -> None:
    async def use(edge: Edge) -> list[str]:
        part = learner(edge, "lru")
        part.policy.on_access = lambda access: 1 // 0  # type: ignore[method-assign, assignment]
        part.start()
        await asyncio.sleep(0.001)
        reuse = await served(edge, "aa")
        with pytest.raises(PolicyFailed, match="policy lru failed: ZeroDivisionError"):
            await part.end_slot(0, [])
        return reuse

    assert with_edge(use) == ["computed", "computed"]


def test_an_answer_that_is_no_update_is_named() -> None:
    async def use(edge: Edge) -> None:
        for name, method in (("lru", "on_access"), ("lfu-decay", "plan")):
            part = learner(edge, name, by_slot=True)
            setattr(part.policy, method, lambda _: None)
            part.start()
            await asyncio.sleep(0.001)
            await served(edge, "a")
            await asyncio.sleep(0.001)
            with pytest.raises(PolicyFailed, match="which is no CacheUpdate"):
                await part.end_slot(0, [])
            await part.close()

    with_edge(use)


def test_a_policy_that_cannot_be_shown_the_store_is_named() -> None:
    async def use(edge: Edge) -> None:
        part = learner(edge, "lru")
        part.policy.reconcile = lambda held: 1 // 0  # type: ignore[method-assign, assignment]
        part.refresh()
        with pytest.raises(PolicyFailed, match="policy lru failed: ZeroDivisionError"):
            await part.end_slot(0, [])
        await part.close()

    with_edge(use)


def test_a_lost_edit_is_made_good() -> None:
    """The edge does not answer one update: the rule must not go on believing that it was carried
    out."""

    async def use(edge: Edge) -> list[str]:
        part = learner(edge, "lru")
        carry_out = edge.apply
        lost = 0

        async def flaky(update: CacheUpdate) -> CacheUpdateResult:
            nonlocal lost
            lost += 1
            if lost == 1:
                raise EdgeUnreachable("the edge does not answer")
            return await carry_out(update)

        edge.apply = flaky  # type: ignore[method-assign]
        part.start()
        await asyncio.sleep(0.001)
        await served(edge, "a")
        await asyncio.sleep(0.001)
        await part.end_slot(0, [])
        await asyncio.sleep(0.001)
        reuse = await served(edge, "aa")
        await part.close()
        return reuse

    assert with_edge(use) == ["computed", "exact"]


def test_time_does_not_run_backwards_for_a_policy_that_goes_on() -> None:
    async def use(edge: Edge) -> list[int]:
        first = learner(edge, "lfu-decay")
        slots_planned = []
        for slot in range(30):
            await first.end_slot(slot, [])
        left = await first.checkpoint({})
        for slots in (
            range(2),
            range(35, 37),
        ):  # a resumed run begins at 0; one that takes over goes on with the run
            second = learner(edge, "lfu-decay")
            await second.open(left)
            plan = second.policy.plan
            second.policy.plan = lambda record, plan=plan: (  # type: ignore[method-assign]
                slots_planned.append(record.slot) or plan(record)
            )
            for slot in slots:
                await second.end_slot(slot, [])
        return slots_planned

    assert with_edge(use) == [30, 31, 35, 36]


def test_merged_edits_do_what_two_in_a_row_would() -> None:
    first = CacheUpdate((("a", 6), ("b", 6)), ("x",))
    assert merge(first, CacheUpdate((("c", 6),), ("a", "y"))) == CacheUpdate(
        (("b", 6), ("c", 6)), ("x", "y")
    )
    assert merge(CacheUpdate(), first) == first == merge(first, CacheUpdate())
    assert merge(CacheUpdate((), ("a",)), CacheUpdate((("a", 6),))) == CacheUpdate(
        (("a", 6),), ("a",)
    )


def test_a_slots_end_asks_for_the_store_once_and_again_only_where_the_edge_answers_otherwise() -> (
    None
):
    """What the edge has after an update follows from what it had before and from its answer."""

    async def use(edge: Edge) -> list[int]:
        looks = 0
        look = edge.snapshot
        carry_out = edge.apply
        counts = []

        async def counted() -> CacheSnapshot:
            nonlocal looks
            looks += 1
            return await look()

        async def emptied(update: CacheUpdate) -> CacheUpdateResult:
            edge.store.evict(update.evict[0])
            return await carry_out(update)

        edge.snapshot = counted  # type: ignore[method-assign]
        planner = learner(edge, "lfu-decay")
        planner.start()
        await asyncio.sleep(0.001)
        for prompts in ("abc", "ddd", "d", "e"):
            await served(edge, prompts)
            await asyncio.sleep(0.001)
            if prompts == "e":  # somebody else interferes
                await served(edge, "eeee")
                edge.apply = emptied  # type: ignore[method-assign]
            looks = 0
            decision = await planner.end_slot(len(counts), [])
            counts.append(looks)
            assert decision.store_bytes == edge.store.nbytes
            assert decision.store_entries == len(edge.store)
        await planner.close()
        return counts

    counts = with_edge(use)
    assert counts[:3] == [1, 1, 1] and counts[3] > 1


def test_a_plans_targets_are_on_the_exporter() -> None:
    async def use(edge: Edge) -> list[float | None]:
        planner = learner(edge, "lfu-decay")
        await served(edge, "a")
        (output,) = (await edge.snapshot()).staging
        targets = Targets(((output.prompt_key, 5), ("", 3)), 0.002)  # "": every other prompt
        await planner._sender.send(CacheUpdate(targets=targets))
        await planner.close()
        return [
            REGISTRY.get_sample_value(f"midstep_{name}", {"edge": "edge-0"})
            for name in ("plan_targets", "edge_step_price_seconds")
        ]

    assert with_edge(use) == [1, 0.002]
