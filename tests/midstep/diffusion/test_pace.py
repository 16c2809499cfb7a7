"""A denoiser that computes, under a profile: held where the machine is faster, compared in any
case. The machine is a clock that computing moves on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from edge_node import node as edge_node
from midstep.clock import VirtualClock, VirtualLoop, run_virtual
from midstep.diffusion.denoise import Denoiser, Trajectory
from midstep.diffusion.engine import Engine
from midstep.diffusion.factory import named_profile
from midstep.diffusion.pace import MachinePace, TickTotals
from midstep.diffusion.paced import PacedDenoiser
from midstep.diffusion.profile import StepProfile
from midstep.errors import ScenarioError
from midstep.scenario import Model
from midstep.scenario_file import load, parse, shipped
from tests import paced
from tests.midstep.diffusion.test_engine import Steps

STEPS = 6
PROFILED_S = STEPS * 0.010 + 0.002  # of paced.PROFILE, with the encoding


class MachineClock(VirtualClock):
    """A machine's clock, whose timers fire `late_s` late."""

    virtual = False

    def __init__(self, late_s: float = 0.0) -> None:
        super().__init__()
        self._late_s = late_s

    async def sleep_until(self, instant_s: float) -> None:
        if instant_s > self.now():
            await super().sleep_until(instant_s + self._late_s)


class Computing(PacedDenoiser):
    """Takes the next of `seconds` for a step, of the machine's time."""

    profile = None

    def __init__(self, seconds: Sequence[float] | float) -> None:
        super().__init__(paced.identity(), paced.PROFILE)
        self._seconds = repeat(seconds) if isinstance(seconds, float) else iter(seconds)

    def advance(self, batch: Sequence[Trajectory]) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.advance(next(self._seconds))
        super().advance(batch)


def play(
    seconds: Sequence[float] | float,
    use: Callable[[Engine], Awaitable[Any]] | None = None,
    late_s: float = 0.0,
) -> tuple[float, TickTotals]:
    """When six steps are done, or what `use` returns, and the ticks' totals."""

    async def alone(engine: Engine) -> float:
        await engine.submit(Steps(engine, STEPS))
        return engine.clock.now()

    async def world() -> tuple[float, TickTotals]:
        engine = Engine(
            Computing(seconds),
            MachineClock(late_s),
            queue_limit=9,
            max_batch=8,
            profile=paced.PROFILE,
        )
        task = asyncio.create_task(engine.run())
        try:
            ended = await (use or alone)(engine)
        finally:
            task.cancel()
        assert engine.pace is not None
        return ended, engine.pace.totals

    return run_virtual(world())


def test_a_fast_machine_is_held_to_the_profile() -> None:
    ended, totals = play(0.004)
    assert ended == pytest.approx(PROFILED_S)
    assert totals.held_s == pytest.approx(PROFILED_S - STEPS * 0.004)
    assert totals.computed_s / totals.profiled_s == pytest.approx(STEPS * 0.004 / PROFILED_S)


def test_a_slow_machine_takes_its_own_time_and_holds_nothing() -> None:
    ended, totals = play(0.020)
    assert ended == pytest.approx(STEPS * 0.020)
    assert totals.held_s == 0
    assert totals.computed_s / totals.profiled_s == pytest.approx(STEPS * 0.020 / PROFILED_S)


def test_one_slow_tick_delays_none_behind_it() -> None:
    assert play([0.004, 0.025, *[0.004] * 4])[0] == pytest.approx(PROFILED_S)


def test_the_lateness_of_timers_does_not_add_up() -> None:
    assert play(0.004, late_s=0.0007)[0] == pytest.approx(PROFILED_S + 0.0007)


def test_after_a_pause_nothing_is_owed_for_what_was_slow_before() -> None:
    async def twice(engine: Engine) -> float:
        await engine.submit(Steps(engine, 2))  # 0.2 s where the profile says 0.022
        await asyncio.sleep(0.001)
        began = engine.clock.now()
        await engine.submit(Steps(engine, STEPS))
        return engine.clock.now() - began

    assert play([0.1, 0.1, *[0.004] * STEPS], twice)[0] == pytest.approx(PROFILED_S)


def test_an_edge_that_computes_keeps_to_its_scenarios_profile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tree = paced.tree(modes={"clock": "wall", "denoiser": "real", "wire": "inprocess"})

    async def computing(*_: Any) -> tuple[Denoiser, None]:
        return Computing(0.004), None

    async def world() -> tuple[float, MachinePace]:
        node = await edge_node.EdgeNode.open(parse(tree), MachineClock())
        engine = node.edge.engine
        began = engine.clock.now()
        await engine.submit(Steps(engine, STEPS))
        took = engine.clock.now() - began
        await node.close()
        assert (await node.edge.describe()).step_s == paced.PROFILE.step(1)
        return took, node.pace

    monkeypatch.setattr(edge_node, "open_computing", computing)
    took, pace = run_virtual(world())
    assert took == pytest.approx(PROFILED_S)
    assert pace.step_s == paced.PROFILE.step(1) and pace.measured_s is not None
    assert pace.ticks is not None and pace.ticks.held_s > 0


def test_a_profile_of_another_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    StepProfile({1: 0.01}, model="someone/other").save(path)
    with pytest.raises(ScenarioError, match="has the times of someone/other"):
        named_profile(Model(profile=str(path)))
    StepProfile({1: 0.01}, model="/elsewhere/midstep-emoji").save(path)
    assert named_profile(Model(profile=str(path))).step(1) == 0.01


def test_shipped_scenarios_keep_to_a_profile() -> None:
    own = {"paper": "paper"}
    assert all(load(name).model.profile == own.get(name, "cpu") for name in shipped())
    formula = named_profile(Model(profile="paper"))
    assert {formula.step(batch) for batch in (1, 7, 100, 5000)} == {0.0002}


def test_a_slowed_engine_waits_the_rest_of_what_it_computed_with_a_profile_and_without() -> None:
    async def took(profile: StepProfile | None) -> float:
        engine = Engine(
            Computing(0.004), MachineClock(), queue_limit=9, max_batch=4, profile=profile
        )
        engine.slowness = 5.0
        task = asyncio.create_task(engine.run())
        began = asyncio.get_running_loop().time()
        await engine.submit(Steps(engine, STEPS))
        task.cancel()
        return asyncio.get_running_loop().time() - began

    assert run_virtual(took(None)) == pytest.approx(5 * 0.004 * STEPS)
    assert run_virtual(took(paced.PROFILE)) == pytest.approx(5 * PROFILED_S)
