"""Figures of a summary as the report shows them: with n, with ± where the run is long enough for
it, times of one table in one unit."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.records.markup import TimeUnit, number, table, time_unit
from orchestrator.records.statistics import BATCHES, P95_FROM, P99_FROM, PER_BATCH

__all__ = ["NOTE", "OF_PICTURES", "figure_table", "tiles"]

Metrics = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Figure:
    """A metric: its label, and its format where it is no time."""

    metric: str
    label: str
    form: str = ""

    def seconds(self, value: float) -> float | None:
        """A time's value in seconds; None of what is no time."""
        return {"ms": value / 1e3, "s": value}.get(self.metric.rpartition("_")[2])


REQUESTS = Figure("requests", "pictures finished", "{:,.0f}")
MEAN = Figure("response_per_request_ms", "response, mean")
P50 = Figure("p50_s", "response, p50")
P95 = Figure("p95_s", "response, p95")
P99 = Figure("p99_s", "response, p99")
SAVED = Figure("edge_saved_ms", "edge time saved a request")
REST = (
    Figure("hit_ratio", "hit ratio", "{:.1%}"),
    Figure("partial_ratio", "resumed from the store", "{:.1%}"),
    Figure("saved_steps", "steps saved a request", "{:.2f}"),
    SAVED,
    Figure("cut_step", "cut at step, mean", "{:.1f}"),
    Figure("psnr_db", "PSNR against no reuse (dB)", "{:.1f}"),
)
# shown where they were measured, as few runs do
MEASURED = (
    Figure("ssim", "SSIM against no reuse", "{:.3f}"),
    Figure("fidelity", "pictures that show their prompt", "{:.1%}"),
    Figure("quality_kept", "checked pictures good enough", "{:.1%}"),
)
OF_PICTURES = ("psnr_db", "ssim", "fidelity", "quality_kept")
LOST = tuple(
    Figure(name, name, "{:,.0f}") for name in ("rejected", "failed", "unfinished", "dropped")
)
TILES = (REQUESTS, MEAN, P50, P95, *REST)
COLUMNS = (REQUESTS, MEAN, P50, P95, P99, *REST, *LOST)
LEAST = BATCHES * PER_BATCH

NOTE = (
    "<p class=note>± is half the width of a 95 % interval within this one run, by batch means: the "
    f"n values in the order in which they ended, cut into {BATCHES} batches of neighbours. It says "
    "nothing of another seed. There is none where the run is too short for it: "
    f"below {LEAST} values, or where the batches' means are still correlated. Counts, percentiles "
    f"and pooled values have none either. A p95 needs {P95_FROM} requests and a p99 {P99_FROM}: of "
    "fewer, the largest stands in its place.</p>"
)


def tiles(metrics: Metrics, pictures: Mapping[str, int]) -> str:
    """The run's main figures; `pictures`: how many are behind each of OF_PICTURES."""
    shown = [figure for figure in TILES if figure.metric in metrics]
    shown += [figure for figure in MEASURED if pictures.get(figure.metric)]
    unit = time_unit(_times(metrics, shown))
    cells = []
    for figure in shown:
        label, value = _best(metrics, figure)
        half = metrics[figure.metric].get("ci95_batch_means")
        interval = "" if half is None else f"<i>± {_show(figure, half, unit)}</i>"
        name = f"{label} ({unit.name})" if figure.seconds(0.0) is not None else label
        cells.append(
            f"<div><b>{_show(figure, value, unit)}</b>{interval}"
            f"<span>{html.escape(name)}</span>"
            f"<small>{_base(metrics, figure, pictures)}</small></div>"
        )
    return f'<div class="tiles">{"".join(cells)}{_lost(metrics)}</div>'


def figure_table(what: str, trees: Mapping[str, Metrics]) -> str:
    """The figures of each of several parts of a run, a line a part."""
    shown = [figure for figure in COLUMNS if any(figure.metric in tree for tree in trees.values())]
    unit = time_unit(value for tree in trees.values() for value in _times(tree, shown))
    head = [what]
    for figure in shown:
        label = "n" if figure is REQUESTS else figure.label
        head.append(f"{label} ({unit.name})" if figure.seconds(0.0) is not None else label)
    lines = [
        [name, *(_cell(tree, figure, unit) for figure in shown)] for name, tree in trees.items()
    ]
    return table(head, lines)


def _lost(metrics: Metrics) -> str:
    """The requests that came to no picture, in one tile."""
    counts = {figure.label: _mean(metrics, figure.metric) or 0 for figure in LOST}
    known = {label: n for label, n in counts.items() if label in metrics}
    parts = ", ".join(f"{n:,.0f} {label}" for label, n in known.items())
    return (
        f"<div><b>{sum(known.values()):,.0f}</b><span>without a picture</span>"
        f"<small>{parts}</small></div>"
    )


def _cell(metrics: Metrics, figure: Figure, unit: TimeUnit) -> str:
    label, value = _best(metrics, figure)
    text = _show(figure, value, unit)
    half = metrics.get(figure.metric, {}).get("ci95_batch_means")
    if half is not None:
        text += f" ± {_show(figure, half, unit)}"
    return text if label == figure.label or value is None else f"{text} ({_short(label)})"


def _short(label: str) -> str:
    return label.rpartition(", ")[2]


def _best(metrics: Metrics, figure: Figure) -> tuple[str, float | None]:
    """A figure's label and value; of a tail of too few requests, the largest and its name."""
    value = _mean(metrics, figure.metric)
    if value is not None or figure not in (P95, P99):
        return figure.label, value
    largest = _mean(metrics, "largest_s")
    if largest is None:
        return figure.label, None
    return f"response, largest of {_mean(metrics, 'requests'):,.0f}", largest


def _base(metrics: Metrics, figure: Figure, pictures: Mapping[str, int]) -> str:
    """How many values a figure is of, and why it has no ±."""
    if figure is REQUESTS:
        return ""
    pooled = figure.metric == "psnr_db"
    n = pictures.get(figure.metric, 0)
    if figure.metric not in OF_PICTURES:
        n = round(_mean(metrics, "requests") or 0)
    text = f"n = {n:,}"
    if pooled or figure in (P50, P95) or not n:
        return text
    if metrics[figure.metric].get("ci95_batch_means") is None:
        text += f"; ± from {LEAST} on" if n < LEAST else "; correlated, no ±"
    return text


def _times(metrics: Metrics, figures: Iterable[Figure]) -> list[float | None]:
    """All times among some figures, seconds."""
    values = [(figure, _best(metrics, figure)[1]) for figure in figures]
    return [figure.seconds(value) for figure, value in values if value is not None]


def _show(figure: Figure, value: float | None, unit: TimeUnit) -> str:
    if value is None or figure.form:
        return number(value, figure.form)
    return unit.show(figure.seconds(value))


def _mean(metrics: Metrics, name: str) -> float | None:
    """None, too, where an older version's summary does not have the metric."""
    mean: float | None = metrics.get(name, {}).get("mean")
    return mean
