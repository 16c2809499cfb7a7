"""Requests in flight at all hosts of a run, for whoever waits for them at its end."""

from __future__ import annotations

import asyncio

from orchestrator.live.cell import Parts

__all__ = ["requests_in_flight"]

PATIENCE_S = 1.0  # wall seconds for a host's answer


async def requests_in_flight(parts: Parts) -> int:
    """Sum over the hosts that answer in time; a silent or dead host counts for nothing."""
    calls = [asyncio.wait_for(host.in_flight(), PATIENCE_S) for host in parts.hosts]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    return sum(answer for answer in answers if isinstance(answer, int))
