"""Waits for what Ray does, none of them for ever: for a part that starts, and at a run's end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from typing import TypeVar

import ray.exceptions

from midstep.errors import ScenarioError

__all__ = ["OPEN_S", "at_most", "opening", "settled"]

T = TypeVar("T")
OPEN_S = 300  # a large model is read, and perhaps downloaded, in this time


async def opening(opened: Awaitable[T], what: str) -> T:
    """Await the start of a part. Raises ScenarioError where the cluster has no room for it, instead
    of waiting for ever."""
    try:
        # a task of its own: of a `gather` that is cancelled, wait_for leaves the outcome unread
        return await asyncio.wait_for(settled(opened), OPEN_S)
    except TimeoutError as error:
        raise ScenarioError(
            f"{what} did not start within {OPEN_S} s: the cluster has no free CPU, GPU or memory "
            f"for it"
        ) from error


async def at_most(outcome: Awaitable[object], seconds: float) -> None:
    """Await what Ray does at a run's end, so long; what it raises then changes nothing."""
    with contextlib.suppress(ray.exceptions.RayError, TimeoutError, RuntimeError, ValueError):
        await asyncio.wait_for(outcome, seconds)


async def settled(ref: Awaitable[T]) -> T:
    """Await an outcome of Ray's, as a coroutine, which wait_for can make a task of."""
    return await ref
