"""The gate of a coupled edge, on the virtual clock: slots of a second."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from edge_node.gate import Gate, Verdict
from midstep.clock import VirtualClock, run_virtual
from midstep.wire.messages_control import Demand, PlannedStep, SlotPlan

SIX = PlannedStep(prompt_key="panda", step=6)


def demand(name: str, key: str = "panda") -> Demand:
    return Demand(
        request_id=name, prompt_key=key, prompt=key, user=0, limit=9, rate_bps=1e6, step_s=0.1
    )


def plan(slot: int, *steps: PlannedStep) -> SlotPlan:
    return SlotPlan(slot=slot, steps=steps)


def at_gate(use: Callable[[Gate], Awaitable[Any]]) -> Any:
    """What `use` gives, with a gate at which in the end nobody waits."""

    async def world() -> Any:
        gate = Gate(VirtualClock(), 1.0)
        result = await use(gate)
        assert (len(gate), gate._gatherings, gate._waiting) == (0, [], {})
        return result

    return run_virtual(world())


def comes(gate: Gate, name: str, at_s: float, key: str = "panda") -> asyncio.Task[Any]:
    """A request that comes at an instant: its verdict, and when it had it."""

    async def request() -> tuple[Verdict, float]:
        await asyncio.sleep(at_s - now())
        return await gate.wait(key, demand(name, key)), now()

    return asyncio.create_task(request())


def now() -> float:
    return asyncio.get_running_loop().time()


def test_all_who_have_reported_get_the_plan_at_once() -> None:
    async def use(gate: Gate) -> Any:
        tasks = [
            comes(gate, name, at_s, key)
            for name, at_s, key in (("b", 0.002, "lion"), ("a", 0.001, "panda"), ("c", 0.003, "x"))
        ]
        seen = await gate.gather(0, 3, 0.05)
        gathered_s = now()
        gate.serve(plan(0, SIX, PlannedStep(prompt_key="lion", step=0)))
        return [one.request_id for one in seen], gathered_s, await asyncio.gather(*tasks)

    names, gathered_s, ((lion, _), (panda, at_s), (unnamed, _)) = at_gate(use)
    assert names == ["a", "b", "c"]
    assert gathered_s == at_s == pytest.approx(0.003)
    assert panda == Verdict(SIX, True)
    assert lion.planned is not None and lion.planned.step == 0
    assert unnamed == Verdict(None, True)


def test_when_the_time_is_over_those_who_are_there_are_gathered_and_late_comers_get_the_plan() -> (
    None
):
    async def use(gate: Gate) -> Any:
        tasks = [comes(gate, "a", 0.01), comes(gate, "b", 0.07), comes(gate, "c", 0.9)]
        seen = await gate.gather(0, 3, 0.05)
        assert now() == pytest.approx(0.05)
        await asyncio.sleep(0.04)  # the policy decides
        gate.serve(plan(0, SIX))
        return [one.request_id for one in seen], await asyncio.gather(*tasks)

    names, served = at_gate(use)
    assert names == ["a"]
    assert [verdict for verdict, _ in served] == [Verdict(SIX, True)] * 3
    assert [at_s for _, at_s in served] == pytest.approx([0.09, 0.09, 0.9])


def test_who_gathers_before_a_slot_begins_waits_from_its_start() -> None:
    """As for a run's first slot, before its time has begun."""

    async def use(gate: Gate) -> Any:
        tasks = [comes(gate, "a", 1.03), comes(gate, "b", 1.2)]
        seen = await gate.gather(1, 2, 0.05)
        at_s = now()
        gate.serve(plan(1, SIX))
        await asyncio.gather(*tasks)
        return [one.request_id for one in seen], at_s

    assert at_gate(use) == (["a"], pytest.approx(1.05))


def test_where_no_plan_comes_nobody_waits_longer_than_half_a_slot() -> None:
    async def use(gate: Gate) -> Any:
        late = comes(gate, "late", 0.8)
        early = comes(gate, "early", 0.1)
        assert await gate.gather(0, 9, 1e9) == (demand("early"),)
        assert now() == pytest.approx(0.5)
        verdict = await early
        gate.serve(plan(1, SIX))  # the next slot's, of a learner that is there again
        return verdict, await late

    early, late = at_gate(use)
    assert early == (Verdict(None, False), pytest.approx(0.6))
    assert late == (Verdict(SIX, True), pytest.approx(0.8))


def test_once_a_slot_had_no_plan_the_next_ones_wait_a_twentieth_until_one_comes_again() -> None:
    async def use(gate: Gate) -> Any:
        tasks = [comes(gate, str(at_s), at_s) for at_s in (0.0, 1.0, 2.0, 3.0)]
        await asyncio.sleep(2.01)
        gate.serve(plan(2, SIX))
        return await asyncio.gather(*tasks)

    first, second, third, fourth = at_gate(use)
    assert [at_s for _, at_s in (first, second, third, fourth)] == pytest.approx(
        [0.5, 1.05, 2.01, 3.5]
    )
    assert [verdict.in_time for verdict, _ in (first, second, third)] == [False, False, True]


def test_a_request_of_the_next_slot_waits_for_that_slots_plan() -> None:
    """Also one that comes a little early, by a host whose clock runs ahead."""

    async def use(gate: Gate) -> Any:
        gate.serve(plan(0))
        tasks = [comes(gate, "early", 0.995), comes(gate, "in time", 1.001)]
        seen = await asyncio.create_task(gather_at(gate, 1, 2, 0.9))
        gate.serve(plan(1, SIX))
        gate.serve(plan(0))  # of a learner that is late: the slot is over
        return len(seen), await asyncio.gather(*tasks), (await gate.wait("panda", None)).planned

    count, served, after = at_gate(use)
    assert count == 2 and after == SIX
    assert [verdict.planned for verdict, _ in served] == [SIX, SIX]


async def gather_at(gate: Gate, slot: int, expected: int, at_s: float) -> tuple[Demand, ...]:
    await asyncio.sleep(at_s - now())
    return await gate.gather(slot, expected, 0.4)


def test_a_cancelled_wait_leaves_no_trace() -> None:
    async def use(gate: Gate) -> Any:
        gone = comes(gate, "gone", 0.01)
        stays = comes(gate, "stays", 0.02)
        gathering = asyncio.create_task(gate.gather(0, 2, 0.3))
        given_up = asyncio.create_task(gate.gather(0, 9, 0.4))
        await asyncio.sleep(0.015)
        gone.cancel()
        given_up.cancel()
        seen = await gathering
        assert now() == pytest.approx(0.3)  # two never waited at a time
        gate.serve(plan(0, SIX))
        return [one.request_id for one in seen], (await stays)[0]

    assert at_gate(use) == (["stays"], Verdict(SIX, True))


def test_a_private_request_counts_and_is_not_shown() -> None:
    async def use(gate: Gate) -> Any:
        private = asyncio.create_task(gate.wait("own", None))
        seen = await gate.gather(0, 1, 0.05)
        at_s = now()
        gate.serve(plan(0))
        await private
        return seen, at_s

    assert at_gate(use) == ((), 0.0)


def test_nobody_waits_at_the_gate_of_an_edge_that_goes() -> None:
    async def use(gate: Gate) -> Any:
        request = comes(gate, "r", 0.01)
        gathering = asyncio.create_task(gate.gather(0, 9, 0.4))
        await asyncio.sleep(0.02)
        gate.close()
        await asyncio.wait([request, gathering])
        return request.cancelled(), len(gathering.result()), now()

    assert at_gate(use) == (True, 1, pytest.approx(0.02))
