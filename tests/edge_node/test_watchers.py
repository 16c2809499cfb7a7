"""Streams of accesses."""

from __future__ import annotations

import asyncio

from edge_node.watchers import Watchers
from midstep.wire.messages_control import Access


def access(number: int) -> Access:
    return Access(
        request_id=f"r-{number}",
        prompt_key="key",
        prompt="a panda",
        step=6,
        nbytes=1000,
        reuse="computed",
        at_s=0.0,
        edge_s=0.0,
    )


async def test_a_slow_watcher_loses_the_oldest_and_a_closed_one_leaves() -> None:
    watchers = Watchers(limit=2)
    stream = watchers.watch()
    first = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)  # it is open once it is asked for an access
    watchers.publish(access(0))
    assert (await first).request_id == "r-0"
    for number in (1, 2, 3):
        watchers.publish(access(number))
    assert [(await anext(stream)).request_id for _ in range(2)] == ["r-2", "r-3"]
    assert len(watchers) == 1
    await stream.aclose()  # type: ignore[attr-defined]
    assert len(watchers) == 0


async def test_a_stream_ends_where_the_edge_goes_with_what_was_sent_before() -> None:
    watchers = Watchers()
    stream = watchers.watch()
    first = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    watchers.publish(access(0))
    watchers.publish(access(1))
    watchers.close()
    assert [(await first).request_id, *[one.request_id async for one in stream]] == ["r-0", "r-1"]
    assert len(watchers) == 0
