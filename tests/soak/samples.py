"""Memory, descriptors and threads of a run's processes over time."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import psutil

__all__ = ["Samples", "growths"]

MB_A_MINUTE = 2.0  # that a process's memory may grow by
MORE_FILES = 8  # descriptors, and threads, that a process may have more at the end
LEAST = 6  # looks at a process that say something
SETTLED = 0.25  # of the looks: before them a process is still warming up

Process = tuple[int, float]


@dataclass
class Samples:
    """What each look found, by process: (minutes, resident MB, descriptors, threads)."""

    names: dict[Process, str] = field(default_factory=dict)
    looks: dict[Process, list[tuple[float, float, int, int]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    count: int = 0

    def take(self, processes: dict[Process, str]) -> None:
        """Look at all of them."""
        now_min = time.time() / 60
        self.count += 1
        for key, name in list(processes.items()):
            try:
                process = psutil.Process(key[0])
                if process.create_time() != key[1]:
                    continue
                with process.oneshot():
                    look = (
                        now_min,
                        process.memory_info().rss / 1e6,
                        process.num_fds(),
                        process.num_threads(),
                    )
            except psutil.Error:
                continue
            self.names[key] = name
            self.looks[key].append(look)

    def settled(self) -> Iterable[tuple[str, np.ndarray]]:
        """Each process's looks since it has warmed up, of those that lived through the run."""
        for key, looks in self.looks.items():
            if len(looks) >= max(LEAST, self.count // 2):
                name = f"{self.names[key] or 'a process'} (pid {key[0]})"
                yield name, np.array(looks)[int(SETTLED * len(looks)) :]

    def __str__(self) -> str:
        lines = []
        for name, looks in self.settled():
            lines.append(
                f"{name}: {looks[0, 1]:.0f} to {looks[-1, 1]:.0f} MB ({_slope(looks):+.2f} MB a "
                f"minute), {looks[0, 2]:.0f} to {looks[-1, 2]:.0f} descriptors, "
                f"{looks[0, 3]:.0f} to {looks[-1, 3]:.0f} threads"
            )
        return "\n".join(lines)


def growths(samples: Samples) -> list[str]:
    """What grew more than it may."""
    faults = []
    for name, looks in samples.settled():
        slope = _slope(looks)
        if slope > MB_A_MINUTE:
            faults.append(f"{name} grows by {slope:.2f} MB a minute")
        for column, what in ((2, "descriptors"), (3, "threads")):
            more = looks[-1, column] - looks[0, column]
            if more > MORE_FILES:
                faults.append(f"{name} has {more:.0f} {what} more at the end")
    return faults


def _slope(looks: np.ndarray) -> float:
    """Growth of the memory, MB a minute, by least squares."""
    return float(np.polyfit(looks[:, 0] - looks[0, 0], looks[:, 1], 1)[0])
