"""What a dashboard is made of, and the PromQL that panels share. Dashboards, docs and tests read
these objects.

A query may use `$run`, `$edge`, `$window` (what rates and quantiles are taken over) and Grafana's
`$__range`. What is told "so far" takes each series' highest value in the range shown: exact for
counters, also when their process is gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

STAGES = "queue|edge|transfer|device|overhead|total"
DONE = 'result="done"'
FROM_STORE = 'result="done",reuse=~"exact|similar|final"'
REUSED = 'result="done",reuse!="computed"'
MOMENT = "5s"


@dataclass(frozen=True)
class Query:
    """One line, or several: PromQL and how each is called in the legend."""

    expr: str
    legend: str


@dataclass(frozen=True)
class Panel:
    """`tells`: what it shows. `bad`: what to do when it looks bad. `steps`: (from this value on,
    colour), after green. `words`: value -> (text, colour). `learning`: has data only where the
    policy is one that trains."""

    title: str
    unit: str
    queries: tuple[Query, ...]
    tells: str
    bad: str
    kind: Literal["timeseries", "stat", "table"] = "timeseries"
    steps: tuple[tuple[float, str], ...] = ()
    words: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    stacked: bool = False
    least: float | None = 0
    most: float | None = None
    width: int = 8
    base: str = "green"
    learning: bool = False

    @property
    def description(self) -> str:
        """What Grafana shows when the mouse is over the panel's corner."""
        text = f"{self.tells} When it looks bad: {self.bad}"
        return f"{text} A policy that does not train has no data here." if self.learning else text


@dataclass(frozen=True)
class Row:
    """A headed row of panels, 24 columns wide."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Board:
    """One dashboard."""

    name: str
    title: str
    about: str
    rows: tuple[Row, ...]

    @property
    def panels(self) -> tuple[Panel, ...]:
        return tuple(panel for row in self.rows for panel in row.panels)


def of_run(name: str, matchers: str = "") -> str:
    """A metric of the chosen run: a midstep metric, or a standard one where it has a name with a
    known prefix."""
    full = name if name.startswith(("process_", "up")) else f"midstep_{name}"
    return f'{full}{{run="$run"{matchers and ","}{matchers}}}'


def of_edge(name: str, matchers: str = "") -> str:
    """A midstep metric of the chosen run and edges."""
    return of_run(name, f'edge=~"$edge"{matchers and ","}{matchers}')


def rate(series: str) -> str:
    """A counter's growth a second."""
    return f"rate({series}[$window])"


def so_far(series: str) -> str:
    """What a counter has come to in the range shown."""
    return f"max_over_time({series}[$__range])"


def latest(series: str) -> str:
    """What a gauge said last in the range shown, also after the run."""
    return f"last_over_time({series}[$__range])"


def quantile(q: float, buckets: str, *by: str) -> str:
    """A quantile of a histogram, of `rate` or `so_far` over its buckets."""
    return f"histogram_quantile({q:g}, sum by ({', '.join(('le', *by))}) ({buckets}))"


def quantiles(some: Sequence[float], buckets: str, *by: str) -> tuple[Query, ...]:
    """Several of them, each called by its labels and its number."""
    labels = "".join(f"{{{{{label}}}}} " for label in by)
    return tuple(Query(quantile(q, buckets, *by), f"{labels}p{100 * q:g}") for q in some)


def ratio(part: str, whole: str) -> str:
    """Sums over all series."""
    return f"sum({part}) / sum({whole})"


def mean(name: str, matchers: str = "") -> str:
    """A histogram's mean over the window, for each edge."""
    parts = (
        f"sum by (edge) ({rate(of_edge(f'{name}_{suffix}', matchers))})"
        for suffix in ("sum", "count")
    )
    return " / ".join(parts)


_EVENTS = of_run("scenario_events_total", 'event!="slot"')
EVENTS = Query(
    # more than a moment ago, or than nothing: increase() does not see what a process counted before
    # its first scrape
    f"sum by (event) ({_EVENTS}) > (sum by (event) ({_EVENTS} offset {MOMENT}) or 0 * sum by "
    f"(event) ({_EVENTS}))",
    "{{event}}",
)
