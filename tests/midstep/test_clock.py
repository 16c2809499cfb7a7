import asyncio
import time

import pytest

from midstep.clock import VirtualClock, WallClock, run_virtual


def test_virtual_time_jumps_and_is_deterministic() -> None:
    async def world() -> list[tuple[str, float]]:
        clock = VirtualClock()
        wakings = []

        async def sleeper(name: str, step: float) -> None:
            for i in range(1, 4):
                await clock.sleep_until(i * step)
                wakings.append((name, clock.now()))

        await asyncio.gather(sleeper("a", 3600.0), sleeper("b", 2000.0))
        return wakings

    before = time.monotonic()
    first = run_virtual(world())
    second = run_virtual(world())
    assert time.monotonic() - before < 60
    assert first == second
    assert [name for name, _ in first] == ["b", "a", "b", "b", "a", "a"]
    assert first[-1] == ("a", 10800.0)


def test_virtual_time_that_stands_still_says_so() -> None:
    async def forever() -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="stands still"):
        run_virtual(forever())


async def test_the_wall_clock_is_scaled_and_never_early() -> None:
    clock = WallClock(scale=100.0)
    clock.begin(time.time())
    start = clock.now()
    await clock.sleep_until(start + 2.0)
    assert clock.now() >= start + 2.0


async def test_the_wall_clock_counts_from_its_epoch() -> None:
    clock = WallClock()
    clock.begin(time.time() + 1000)
    assert clock.now() == pytest.approx(-1000, abs=5)
