"""Ctrl-C and SIGTERM: the first stops the asking, the second everything."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

__all__ = ["stop_on_signals"]


def stop_on_signals(stopping: asyncio.Event, announce: Callable[[], None]) -> None:
    """Set `stopping` at the first SIGINT or SIGTERM, after `announce`; cancel this task at the
    second.

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

    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop)
