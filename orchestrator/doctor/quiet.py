"""Whether a machine was quiet while something was measured on it."""

from __future__ import annotations

import time
from dataclasses import dataclass

import psutil

__all__ = ["LoadWatch", "Quiet"]

MOST_SPREAD = 0.25  # of repeated measurements, 10th to 90th percentile, as a share of the median
LEAST_SHARE = 0.9  # of its time that a thread must have had a core for
MOST_OTHERS = 0.25  # of the cores that other programs may have used


@dataclass(frozen=True, kw_only=True)
class Quiet:
    """What a measurement met: `others`, the share of all cores that other programs used; `share`
    of its time for which one computing thread had a core, None where more than one or a GPU
    computes; `spread` of the repeated measurements, None where unknown."""

    others: float
    share: float | None
    spread: float | None

    def doubts(self) -> list[str]:
        """Signs that the machine was busy, in words; none where it was quiet."""
        signs = []
        if self.share is not None and self.share < LEAST_SHARE:
            signs.append(f"the measurement had a core for {self.share:.0%} of its time")
        if self.others > MOST_OTHERS:
            signs.append(f"other programs used {self.others:.0%} of all cores")
        if self.spread is not None and self.spread > MOST_SPREAD:
            signs.append(f"repeated steps spread by {self.spread:.0%} of their median")
        return signs


class LoadWatch:
    """Watches the machine from now on."""

    def __init__(self) -> None:
        self._wall_s = time.perf_counter()
        self._own_s = time.process_time()
        self._busy_s = _busy_s()

    def end(self, spread: float | None, one_thread: bool) -> Quiet:
        """What was met since the watch began; `one_thread`: this process computed all the time, in
        one thread."""
        wall_s = max(1e-9, time.perf_counter() - self._wall_s)
        own_s = time.process_time() - self._own_s
        others_s = max(0.0, _busy_s() - self._busy_s - own_s)
        return Quiet(
            others=others_s / (wall_s * (psutil.cpu_count() or 1)),
            share=own_s / wall_s if one_thread else None,
            spread=spread,
        )


def _busy_s() -> float:
    """Seconds in which cores were not idle, of all cores since the machine started; time that a
    hypervisor took for others is among them."""
    times = psutil.cpu_times()._asdict()
    # guests' time is part of the users' already
    parts = {name: seconds for name, seconds in times.items() if not name.startswith("guest")}
    return float(sum(parts.values()) - parts["idle"] - parts.get("iowait", 0.0))
