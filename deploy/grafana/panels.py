"""Parts of a dashboard, and the PromQL that panels share; dashboards, docs and tests read them.

A query may use the variables `$run`, `$edge`, `$window` (the time that rates and quantiles look
back) and Grafana's `$__range`. Values "so far" are each series' highest in the range shown: exact
for counters, also when their process has ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

STAGES = "uplink|queue|edge|transfer|device|overhead|total"
DONE = 'result="done"'
FROM_STORE = 'result="done",reuse=~"exact|similar|final"'
REUSED = 'result="done",reuse=~"exact|similar|final|shared"'  # no edge steps of its own
SPARED = 'result="done",reuse!~"computed|local"'  # some edge steps or all
MOMENT = "5s"
COUNT = "locale"  # 1,370 where "short" would say 1.37 K
SECONDS = "suffix:s"  # "s" would make minutes of them, with an axis of 50 s, 1.67 mins, 2.50 mins


@dataclass(frozen=True)
class Query:
    """PromQL of one line or several, and the template of their legends."""

    expr: str
    legend: str


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A panel: queries, how they are drawn, and what a reader does about them.

    `tells`: what it shows. `bad`: what to do when it looks bad. `base`: the colour below the first
    of `steps`, each (from this value on, colour). `words`: value -> (text, colour). `least` and
    `most`: ends of the axis. `reach`: value up to which the axis goes even where all lines are
    lower; without one a line that stays at 0 gets an axis up to 100. `width`: of the board's 24
    columns. `beside`: the legend stands beside the plot; below it there is room for two lines.
    `only`: who has data here, all others have none: a policy that trains, a run with reuse.similar.
    A `heatmap` has one query, a histogram's buckets by `le`.
    """

    title: str
    unit: str
    queries: tuple[Query, ...]
    tells: str
    bad: str
    kind: Literal["timeseries", "stat", "table", "heatmap"] = "timeseries"
    steps: tuple[tuple[float, str], ...] = ()
    words: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    stacked: bool = False
    least: float | None = 0
    most: float | None = None
    reach: float | None = None
    width: int = 8
    beside: bool = False
    base: str = "green"
    only: str | None = None

    @property
    def description(self) -> str:
        """Text that Grafana shows when the mouse is over the panel's corner."""
        text = f"{self.tells} When it looks bad: {self.bad}"
        return text if self.only is None else f"{text} Only {self.only} has data here."


@dataclass(frozen=True)
class Row:
    """Row of panels under a heading, 24 columns wide."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Board:
    """Dashboard; `name` is its file's, `about` the question that it answers."""

    name: str
    title: str
    about: str
    rows: tuple[Row, ...]

    @property
    def panels(self) -> tuple[Panel, ...]:
        return tuple(panel for row in self.rows for panel in row.panels)


def of_run(name: str, matchers: str = "") -> str:
    """Selector of a metric of the chosen run: midstep's, or the standard `process_*` and `up`."""
    full = name if name.startswith(("process_", "up")) else f"midstep_{name}"
    return f'{full}{{run="$run"{matchers and ","}{matchers}}}'


def of_edge(name: str, matchers: str = "") -> str:
    """Selector of a midstep metric of the chosen run and edges."""
    return of_run(name, f'edge=~"$edge"{matchers and ","}{matchers}')


def rate(series: str) -> str:
    """Growth of a counter a second, over the window."""
    return f"rate({series}[$window])"


def so_far(series: str) -> str:
    """Highest value of a counter in the range shown."""
    return f"max_over_time({series}[$__range])"


def latest(series: str) -> str:
    """Last value of a gauge in the range shown, also after the run."""
    return f"last_over_time({series}[$__range])"


def quantile(q: float, buckets: str, *by: str) -> str:
    """Quantile of a histogram, of `rate` or `so_far` over its buckets."""
    return f"histogram_quantile({q:g}, sum by ({', '.join(('le', *by))}) ({buckets}))"


def quantiles(levels: Sequence[float], buckets: str, *by: str) -> tuple[Query, ...]:
    """Queries of several quantiles, each with its labels and level as the legend."""
    labels = "".join(f"{{{{{label}}}}} " for label in by)
    return tuple(Query(quantile(q, buckets, *by), f"{labels}p{100 * q:g}") for q in levels)


def ratio(part: str, whole: str) -> str:
    """Sum of all series of one selector over that of another."""
    return f"sum({part}) / sum({whole})"


def mean(name: str, matchers: str = "") -> str:
    """Mean of a histogram over the window, for each edge."""
    parts = (
        f"sum by (edge) ({rate(of_edge(f'{name}_{suffix}', matchers))})"
        for suffix in ("sum", "count")
    )
    return " / ".join(parts)


_EVENTS = of_run("scenario_events_total", 'event!="slot"')
EVENTS = Query(
    # More than a moment ago, or than nothing: increase() misses what a process counted before its
    # first scrape.
    f"sum by (event) ({_EVENTS}) > (sum by (event) ({_EVENTS} offset {MOMENT}) or 0 * sum by "
    f"(event) ({_EVENTS}))",
    "{{event}}",
)
