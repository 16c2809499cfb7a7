"""Time: wall (with a scale) or virtual (an event loop that jumps to its next timer;
deterministic)."""

from __future__ import annotations

import asyncio
import math
import selectors
import time
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

__all__ = [
    "Alarm",
    "Clock",
    "StoppableSleep",
    "VirtualClock",
    "VirtualLoop",
    "WallClock",
    "run_virtual",
]

T = TypeVar("T")


class Clock(Protocol):
    """Scenario seconds since the run's start, the same in every process of the run."""

    virtual: bool
    scale: float  # scenario seconds in a second of the machine's time

    def begin(self, epoch_s: float) -> None:
        """Let the run start at this Unix time; it may be ahead, now() is then negative."""

    def now(self) -> float:
        """Scenario seconds since the start."""

    async def sleep_until(self, instant_s: float) -> None:
        """Return no earlier than `instant_s`; at once where it has passed."""


class WallClock:
    """The machine's clock; `scale` scenario seconds pass in one of its seconds.

    Processes agree on the start only as well as their machines' clocks do; durations use one
    monotonic clock.
    """

    virtual = False

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale
        self._origin = time.monotonic()

    def begin(self, epoch_s: float) -> None:
        self._origin = time.monotonic() - (time.time() - epoch_s)

    def now(self) -> float:
        return (time.monotonic() - self._origin) * self.scale

    async def sleep_until(self, instant_s: float) -> None:
        while (left := instant_s - self.now()) > 0:  # noqa: ASYNC110 - some timers fire a little early
            await asyncio.sleep(left / self.scale)


class VirtualClock:
    """The running event loop's own time since `begin`; meaningful inside `run_virtual`."""

    virtual = True
    scale = 1.0

    def __init__(self) -> None:
        self._origin = 0.0

    def begin(self, epoch_s: float) -> None:
        """The run starts now: virtual time has no Unix time."""
        self._origin = asyncio.get_running_loop().time()

    def now(self) -> float:
        return asyncio.get_running_loop().time() - self._origin

    async def sleep_until(self, instant_s: float) -> None:
        left = instant_s - self.now()
        if left > 0:
            await asyncio.sleep(left)


class StoppableSleep:
    """Sleeps of one task that `stop` ends, now and from then on. A sleep costs one timer and one
    future; a task and an event for each would cost a large run a tenth of its time."""

    def __init__(self, clock: Clock) -> None:
        self.stopped = False
        self._clock = clock
        self._waiter: asyncio.Future[None] | None = None

    def stop(self) -> None:
        """End the sleep."""
        self.stopped = True
        if self._waiter is not None:
            _wake(self._waiter)

    async def until(self, instant_s: float) -> bool:
        """Return no earlier than `instant_s`, or as soon as it is stopped; whether it is. Infinity
        waits for `stop` alone. Others have their turn, also where the instant has passed."""
        loop = asyncio.get_running_loop()
        if instant_s <= self._clock.now():
            await asyncio.sleep(0)
        while not self.stopped and (left := instant_s - self._clock.now()) > 0:
            self._waiter = loop.create_future()
            timer = None
            if math.isfinite(left):
                timer = loop.call_later(left / self._clock.scale, _wake, self._waiter)
            try:
                await self._waiter
            finally:
                self._waiter = None
                if timer is not None:
                    timer.cancel()
        return self.stopped


class Alarm:
    """An instant that may move, also while tasks wait for it; infinity as long as nobody knows
    when."""

    def __init__(self, instant_s: float) -> None:
        self._instant_s = instant_s
        self._waiters: dict[asyncio.Future[None], None] = {}  # no set: they wake in this order

    @property
    def instant_s(self) -> float:
        """When it is, scenario seconds."""
        return self._instant_s

    def move(self, instant_s: float) -> None:
        """Let it be at another instant; who waits looks again."""
        if instant_s != self._instant_s:
            self._instant_s = instant_s
            for waiter in self._waiters:
                _wake(waiter)

    async def wait(self, clock: Clock, patience_s: float = math.inf) -> bool:
        """Return when it has come, True; or False at `patience_s` where it is not known by then
        when it will. At once where it has passed, as `Clock.sleep_until`."""
        loop = asyncio.get_running_loop()
        while (left := self._until_s(patience_s) - clock.now()) > 0:
            instant_s = self._instant_s
            waiter = loop.create_future()
            self._waiters[waiter] = None
            timer = None
            if math.isfinite(left):
                timer = loop.call_later(left / clock.scale, _wake, waiter)
            try:
                await waiter
            finally:
                del self._waiters[waiter]
                if timer is not None:
                    timer.cancel()
            # a virtual timer may be a nanosecond early: no other follows, as in `sleep_until`
            if clock.virtual and self._instant_s == instant_s:
                break
        return math.isfinite(self._instant_s)

    def _until_s(self, patience_s: float) -> float:
        return self._instant_s if math.isfinite(self._instant_s) else patience_s


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


class _JumpingSelector(selectors.DefaultSelector):
    """Instead of waiting for a timer, moves the loop's time to it."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise RuntimeError(
                "virtual time stands still: every task waits for something that no timer brings"
            )
        self.loop.advance(timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next timer. No threads: what they compute takes no
    virtual time."""

    def __init__(self) -> None:
        self._virtual = 0.0
        selector = _JumpingSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self._virtual

    def advance(self, seconds: float) -> None:
        self._virtual += seconds


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in virtual time, from 0."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
