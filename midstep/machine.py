"""Cores of this machine that this process may use."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["usable_cores"]

_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def usable_cores() -> float:
    """Cores that this process may use: fewer than the machine has in many containers, where the
    number need not be whole."""
    count = float(
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    try:
        quota, period = _QUOTA.read_text().split()
        return min(count, float(quota) / float(period))
    except (OSError, ValueError):  # no cgroup, or no bound: "max"
        return count
