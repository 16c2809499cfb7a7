"""The start of a run's parts, interrupted, or with a fault meanwhile."""

import asyncio
import contextlib
import gc
import threading
from typing import Any, NoReturn

import pytest
import ray

from midstep.clock import run_virtual
from midstep.errors import PartDied
from midstep.scenario import Scenario
from orchestrator.cluster import cell_starter, ray_session
from orchestrator.cluster.bounded_waits import opening
from orchestrator.cluster.head_life import unless
from orchestrator.cluster.in_thread import in_thread
from orchestrator.cluster.ray_cluster import RayCluster
from orchestrator.live.launch import Options, check

LIVE = {"clock": "wall", "wire": "grpc"}


def test_an_interrupted_start_complains_of_nothing() -> None:
    complaints: list[dict[str, Any]] = []

    async def start() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, about: complaints.append(about))
        parts = asyncio.ensure_future(
            opening(asyncio.gather(asyncio.sleep(100), asyncio.sleep(100)), "learner and hosts")
        )
        await asyncio.sleep(1)
        parts.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await parts
        del parts
        gc.collect()

    run_virtual(start())
    assert not complaints


async def test_who_waits_for_parts_hears_of_a_fault_and_the_work_is_ended() -> None:
    ended: list[bool] = []

    async def work(seconds: float) -> str:
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            ended.append(True)
            raise
        return "done"

    async def fault(seconds: float) -> NoReturn:
        await asyncio.sleep(seconds)
        raise PartDied("the head is gone")

    assert await unless(work(0.0), fault(1e6)) == "done"
    with pytest.raises(PartDied, match="the head is gone"):
        await unless(work(1e6), fault(0.0))
    assert ended == [True]


async def test_a_call_that_hangs_in_a_thread_holds_nobody_up() -> None:
    never = threading.Event()
    outcome = in_thread(never.wait, "hangs")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(outcome, 0.01)
    never.set()
    assert await in_thread(lambda: 3, "answers") == 3
    with pytest.raises(ZeroDivisionError):
        await in_thread(lambda: 1 // 0, "fails")


async def test_the_head_is_asked_in_threads_alone(
    monkeypatch: pytest.MonkeyPatch, scenario: Scenario
) -> None:
    """Where it hangs as parts start, the event loop must hear of it, and of a Ctrl-C."""
    asked: list[str] = []

    def answer(name: str, value: Any) -> None:
        def call(*_: Any, **__: Any) -> Any:
            asked.append(threading.current_thread().name)
            return value

        monkeypatch.setattr(ray, name, call)

    answer("init", None)
    answer("shutdown", None)
    answer("cluster_resources", {"CPU": 64.0})
    answer("available_resources", {})
    answer("nodes", [{"Alive": True, "NodeManagerAddress": "127.0.0.1"}])
    monkeypatch.setattr(ray_session, "check_reachable", lambda *_: None)
    spawned: list[Any] = []

    def spawn(*place: Any, **_: Any) -> NoReturn:
        asked.append(threading.current_thread().name)
        spawned.append(place)
        raise PartDied("as far as this goes")

    monkeypatch.setattr(cell_starter, "spawn", spawn)
    wish = scenario.model_copy(update={"modes": scenario.modes.model_copy(update=LIVE)})
    cluster = RayCluster(check(wish, Options(address="127.0.0.1:1")))
    with pytest.raises(PartDied, match="as far as this goes"):
        await cluster.open(lambda _: None)
    await cluster.close()
    assert spawned and "CPU" in spawned[0][2]
    assert len(asked) > 3 and threading.current_thread().name not in asked
