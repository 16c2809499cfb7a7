"""Ctrl-C and SIGTERM: the first ends new requests, the second ends the run at once. So does whoever
started the run in a thread of its own, where no signal arrives."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

__all__ = ["Interrupts", "interruptible", "own_handlers", "stop_on_signals"]

ENDING = (signal.SIGINT, signal.SIGTERM)  # both end a command in order
# processor seconds until an interrupt that hit the import system is raised again
AGAIN_S = 0.01

_interrupted = threading.Event()


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Context in which Ctrl-C and SIGTERM raise KeyboardInterrupt, but never inside Python's import
    system, which would drop the exception or keep its lock for ever. An interrupt that other code
    swallows is remembered: `stop_on_signals` counts it when the run begins."""
    _interrupted.clear()
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    with own_handlers(signal.SIGVTALRM, *ENDING):
        for name in (signal.SIGVTALRM, *ENDING):
            signal.signal(name, _interrupt)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
            _interrupted.clear()  # it was this context's


@contextlib.contextmanager
def own_handlers(*names: signal.Signals) -> Iterator[None]:
    """Context that may set handlers of these signals (SIGINT and SIGTERM unless named): after it
    they are what they were before. An event loop that closes leaves Python's, by which the next
    SIGTERM would kill."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    before = {name: signal.getsignal(name) for name in names or ENDING}
    try:
        yield
    finally:
        for name, handler in before.items():
            if handler is not None:  # one that Python has not set, it cannot set again
                signal.signal(name, handler)


class Interrupts:
    """Interruptions of a run from another thread than its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._early = 0  # before the run could be told
        self._tell: Callable[[], object] | None = None

    def interrupt(self) -> None:
        """Interrupt the run, or as soon as it has begun; nothing where it is over. Any thread may
        call it."""
        with self._lock:
            if self._tell is None:
                self._early += 1
                return
        with contextlib.suppress(RuntimeError):  # its loop is closed
            self._tell()

    def connect(self, stop: Callable[[], None]) -> None:
        """Let `stop` be called in the running loop at every interruption."""
        loop = asyncio.get_running_loop()
        with self._lock:
            self._tell = lambda: loop.call_soon_threadsafe(stop)
            early = self._early
            self._early = 0
        for _ in range(early):
            stop()


def stop_on_signals(
    stopping: asyncio.Event, announce: Callable[[], None], interrupts: Interrupts | None = None
) -> None:
    """Set `stopping` at the first SIGINT or SIGTERM, after `announce`; cancel this task at the
    second. An earlier one counts as the first, and `interrupts` count like signals.

    Call it again where a library has put a handler of its own in between.
    """
    loop = asyncio.get_running_loop()
    main = asyncio.current_task()

    def stop() -> None:
        if stopping.is_set() and main is not None:
            main.cancel()
            return
        announce()
        stopping.set()

    if interrupts is not None:
        interrupts.connect(stop)
    if threading.current_thread() is not threading.main_thread():
        return  # only the main thread may set handlers
    for name in ENDING:
        loop.add_signal_handler(name, stop)
    if _interrupted.is_set():
        _interrupted.clear()
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
        stop()


def _interrupt(number: int, frame: FrameType | None) -> None:
    _interrupted.set()
    if frame is not None and frame.f_code.co_filename.startswith("<frozen importlib"):
        signal.setitimer(signal.ITIMER_VIRTUAL, AGAIN_S)  # tried again until the import is over
        return
    raise KeyboardInterrupt
