"""A run's own process, its centre: whether it still lives, for whoever finds what it left."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psutil

__all__ = ["CENTRE_NAME", "Centre"]

CENTRE_NAME = "the run's centre"  # in what is said of its death
SAME_S = 1.0  # two readings of when a process began differ by less


@dataclass(frozen=True, kw_only=True)
class Centre:
    """A run's own process: its id, when it began (ids are used again), Unix time, the name of its
    machine, and the run's folder."""

    pid: int
    began_s: float
    machine: str
    folder: str

    @classmethod
    def here(cls, folder: str) -> Centre:
        """This process, of the run in that folder."""
        return cls(
            pid=os.getpid(),
            began_s=psutil.Process().create_time(),
            machine=platform.node(),
            folder=folder,
        )

    @classmethod
    def of(cls, tree: Mapping[str, Any]) -> Centre:
        """From what `asdict` made of it. Raises KeyError, TypeError, ValueError."""
        return cls(
            pid=int(tree["pid"]),
            began_s=float(tree["began_s"]),
            machine=str(tree["machine"]),
            folder=str(tree["folder"]),
        )

    @property
    def alive(self) -> bool:
        """Whether it still runs; of another machine's nobody can say: it counts as alive."""
        if self.machine != platform.node():
            return True
        try:
            status = psutil.Process(self.pid).status()
        except psutil.Error:
            return False
        return status != psutil.STATUS_ZOMBIE and not self.replaced

    @property
    def replaced(self) -> bool:
        """Whether its id is another process's now."""
        try:
            return abs(psutil.Process(self.pid).create_time() - self.began_s) >= SAME_S
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:
            return True
