"""Values of a figure: one value a seed, for every point, policy and metric; on disk as it is
in memory."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from midstep.json_text import parse_json
from midstep.whole_file import replacing, write_at_once
from orchestrator.records.metrics import METRICS
from orchestrator.records.statistics import Floats, over_seeds

__all__ = ["Effort", "Floats", "Values", "load"]


@dataclass(frozen=True)
class Effort:
    """How much is simulated: the paper has 12 seeds and 10,000 slots."""

    seeds: int = 12
    slots: int = 10_000
    pictures: int = 48  # Fig. 7: prompts that are drawn
    quick: bool = False

    @property
    def warmup(self) -> int:
        """Slots that are not measured: the first fifth."""
        return self.slots // 5


@dataclass
class Values:
    """`points[i][policy][metric]`: one value a seed (Fig. 7: a prompt) at `x[i]`; nan where there
    is none."""

    figure: str
    seeds: int
    slots: int
    x: list[float]
    points: list[dict[str, dict[str, list[float]]]] = field(default_factory=list)
    wall_s: float = 0.0

    def at(self, x: float, policy: str, metric: str) -> Floats:
        """(seeds,). Raises KeyError where there is no such point, policy or metric."""
        return np.array(self.points[self._place(x)][policy][metric], np.float64)

    def sweep(self, policy: str, metric: str) -> Floats:
        """(points, seeds)."""
        return np.array([point[policy][metric] for point in self.points], np.float64)

    def policies(self) -> list[str]:
        """In the order in which they were asked for."""
        return list(self.points[0])

    def means(self, policy: str, metric: str) -> tuple[Floats, Floats]:
        """Means and half-widths of the 95 % intervals, both (points,); nan where there is nothing
        to say."""
        intervals = [over_seeds(point[policy][metric]) for point in self.points]
        mean, half = (
            np.array([np.nan if i[key] is None else i[key] for i in intervals], np.float64)
            for key in ("mean", "ci95")
        )
        return mean, half

    def save(self, folder: Path) -> None:
        """FIGURE.values.json, from which everything else can be made again, and FIGURE.csv, for
        people."""
        tree = asdict(self) | {"points": [_known(point) for point in self.points]}
        text = json.dumps(tree, allow_nan=False)
        write_at_once(folder / f"{self.figure}.values.json", text + "\n")
        table = folder / f"{self.figure}.csv"
        with replacing(table) as fresh, fresh.open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["point", "policy", "metric", "mean", "ci95", "seeds"])
            for x, point in zip(self.x, self.points, strict=True):
                for policy, metrics in point.items():
                    rows.writerows(
                        [f"{x:g}", policy, metric, *_cells(v)] for metric, v in metrics.items()
                    )

    def _place(self, x: float) -> int:
        near = int(np.abs(np.array(self.x) - x).argmin())
        if abs(self.x[near] - x) > 1e-9:
            raise KeyError(x)
        return near


def load(folder: Path, figure: str, seeds: int, slots: int) -> Values | None:
    """What `save` wrote, where it is there with as many seeds and slots; None for what is of an
    older version, whose metrics had other names."""
    try:
        tree: dict[str, Any] = parse_json((folder / f"{figure}.values.json").read_bytes())
        for point in tree["points"]:
            for metrics in point.values():
                if not metrics.keys() <= METRICS.keys():
                    return None
                metrics |= {
                    m: [np.nan if v is None else v for v in vs] for m, vs in metrics.items()
                }
        values = Values(**tree)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return values if (values.seeds, values.slots) == (seeds, slots) else None


def _known(point: dict[str, dict[str, list[float]]]) -> dict[str, dict[str, list[float | None]]]:
    """JSON has no nan."""
    return {
        p: {m: [v if np.isfinite(v) else None for v in vs] for m, vs in ms.items()}
        for p, ms in point.items()
    }


def _cells(values: Sequence[float]) -> list[str]:
    """Mean, half-width and number of seeds, as text."""
    interval = over_seeds(values)
    texts = ["" if value is None else f"{value:.6g}" for value in interval.values()]
    return [*texts, str(len(values))]
