"""Processes of this machine, by their ids."""

from __future__ import annotations

import asyncio

import psutil

__all__ = ["process_name", "until_gone"]

PATIENCE_S = 10.0  # wall seconds; a process that was killed is gone in a fraction of one
LOOK_S = 0.02


def process_name(process_id: int) -> str:
    """The name of a process; empty where there is none."""
    try:
        return psutil.Process(process_id).name()
    except psutil.NoSuchProcess:
        return ""


async def until_gone(process_id: int) -> None:
    """Return once a process has left its ports and files, at the latest after ten seconds."""
    for _ in range(round(PATIENCE_S / LOOK_S)):
        try:
            if psutil.Process(process_id).status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
                return
        except psutil.NoSuchProcess:
            return
        await asyncio.sleep(LOOK_S)
