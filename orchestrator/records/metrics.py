"""The vocabulary of metrics: one name for one thing, in runs, simulations, figures and replays.

Every name that summary.json, seeds.csv or a figure's table has is in `METRICS`; docs/record.md
shows the same table. The unit is the name's ending: `_ms` and `_s` are times, `_db` decibels, `_kb`
kilobytes, `joules` joules, everything else is a share or a count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["METRICS", "Metric", "markdown", "tail"]

RUN = "run"
CLOSED = "closed"
OPEN = "open"
REPLAY = "replay"
FIGURES = "figures"
EXPERIMENT = "experiment"


@dataclass(frozen=True)
class Metric:
    """`over`: what one value is of, where the metric is the mean over many; `sources`: runs,
    simulations of closed and of open catalogues, replays, figures; experiments and comparisons,
    which take them from the rows."""

    name: str
    over: str
    meaning: str
    sources: tuple[str, ...]

    @property
    def unit(self) -> str:
        """ms, s, dB, kB, J, 1/s, or 1 for shares and counts."""
        if self.name.endswith("_per_s"):
            return "1/s"
        ending = self.name.rpartition("_")[2]
        return {"ms": "ms", "s": "s", "db": "dB", "kb": "kB", "joules": "J"}.get(ending, "1")


_ALL = (RUN, CLOSED, OPEN)
METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "response_ms", "prompts and slots", "L_r of (15): the slowest requester's", (RUN, OPEN)
        ),
        Metric("response_by_slot_ms", "slots", "mean L_r of the slot's prompts, L/|A|", (CLOSED,)),
        Metric(
            "response_per_request_ms",
            "requests",
            "to having the picture, from when it was due; of closed arrivals from when it was sent",
            _ALL,
        ),
        Metric("p50_s", "requests", "median of the same", _ALL),
        Metric("p95_s", "requests", "its 95th percentile, from 90 requests on", _ALL),
        Metric("p99_s", "requests", "its 99th percentile, from 459 requests on", _ALL),
        Metric("largest_s", "requests", "the largest of the same", _ALL),
        Metric("hit_ratio", "requests", "share served from the store", (*_ALL, REPLAY)),
        Metric(
            "partial_ratio",
            "requests",
            "share that went on from what the store held, to a later step (resumed)",
            (RUN, EXPERIMENT),
        ),
        Metric(
            "similar_ratio",
            "requests",
            "share that another prompt's output served, as it was (hit) or gone on from (resumed)",
            (RUN,),
        ),
        Metric(
            "neighbour_ratio",
            "requests",
            "share that a neighbour's output served, as it was (hit) or gone on from (resumed)",
            (RUN, EXPERIMENT),
        ),
        Metric(
            "backhaul_kb",
            "requests",
            "what came over the backhaul from neighbours for it",
            (RUN, EXPERIMENT),
        ),
        Metric(
            "hit_ratio_in_slot",
            "requests",
            "share served from the store, or by an output that was being computed for another",
            _ALL,
        ),
        Metric(
            "saved_steps",
            "requests",
            "steps that it was handed over and that were not computed for it",
            (RUN, EXPERIMENT),
        ),
        Metric(
            "hit_ratio_adjusted",
            "requests",
            "share served from the store whose picture has the quality asked for, as far as "
            "pictures were checked",
            (RUN,),
        ),
        Metric(
            "saved_steps_adjusted",
            "requests",
            "steps saved for pictures that have the quality asked for, likewise",
            (RUN,),
        ),
        Metric(
            "edge_steps",
            "requests",
            "steps that the edge computed for it as the first that needed them",
            (RUN, EXPERIMENT),
        ),
        Metric("cut_step", "requests", "the step at which it was handed over", (RUN, EXPERIMENT)),
        Metric(
            "reuse_limit",
            "requests",
            "the last step from which its own picture still comes out",
            (RUN, EXPERIMENT),
        ),
        Metric(
            "edge_saved_ms",
            "requests",
            "the edge's time for the steps that reuse saved",
            (RUN,),
        ),
        Metric(
            "saved_vs_ncldc_ms",
            "slots",
            "sum over the slot's prompts of L_r with everything on the device, less L_r",
            (CLOSED, OPEN),
        ),
        Metric(
            "saved_vs_none_ms",
            "slots",
            "the same on a shared edge: L_r with an empty store, less L_r",
            (CLOSED,),
        ),
        Metric("saved_vs_ncldc_per_request_ms", "", "its sum, divided by all requests", (CLOSED,)),
        Metric("saved_vs_none_per_request_ms", "", "its sum, divided by all requests", (CLOSED,)),
        Metric(
            "own_saved_vs_ncldc_ms",
            "requests",
            "reduction of the request's own response time, against the device alone",
            (OPEN,),
        ),
        Metric("reduction_vs_ncldc", "slots", "what that sum is of its L, a share", (CLOSED,)),
        Metric("reduction_vs_none", "slots", "what that sum is of its L, a share", (CLOSED,)),
        Metric("queue_ms", "slots", "Q of (23)", _ALL),
        Metric("queue_last_ms", "", "Q after the last slot", (CLOSED,)),
        Metric("latency_avg_ms", "slots with requests", "L_avg of (16), 0 without a miss", _ALL),
        Metric("system_cost_ms", "slots with requests", "L of (17)", _ALL),
        Metric(
            "gap_to_exact",
            "",
            "gap to exact P2: (policy - exact) / (nothing kept - exact), each summed over slots",
            (CLOSED, FIGURES),
        ),
        Metric(
            "gap_to_exact_by_slot",
            "slots that have one",
            "the slot's own gap in hindsight: the column gap_to_exact",
            (RUN,),
        ),
        Metric("stored_per_slot", "slots", "outputs that are newly stored", (CLOSED,)),
        Metric(
            "psnr_db",
            "pictures",
            "PSNR; in runs of the mean squared error over all compared pictures",
            (RUN, FIGURES),
        ),
        Metric("ssim", "compared pictures", "SSIM, against the picture without reuse", (RUN,)),
        Metric(
            "fidelity",
            "judged pictures",
            "share that show what their prompts say, by forced choice",
            (RUN, EXPERIMENT),
        ),
        Metric(
            "quality_kept",
            "checked pictures",
            "share that have the quality asked for, of reused pictures that were made again "
            "without reuse",
            (RUN,),
        ),
        Metric("resent", "requests", "times that its frame was sent again", (RUN,)),
        Metric("joules", "requests", "energy that its device took for it", (RUN,)),
        Metric("receive_joules", "requests", "of that for receiving", (RUN,)),
        Metric("requests", "", "requests that were answered", (RUN, REPLAY)),
        Metric("failed", "", "requests that failed", (RUN,)),
        Metric("rejected", "", "requests that the edge rejected", (RUN,)),
        Metric("unfinished", "", "requests that the run cut off, grace_s after its end", (RUN,)),
        Metric("dropped", "", "arrivals that were due within the run and never sent", (RUN,)),
        Metric("batteries_empty", "", "devices that left because their battery was empty", (RUN,)),
        Metric("hits", "", "requests served from the store", (REPLAY,)),
        Metric("rows_per_s", "", "requests replayed a second on this machine", (REPLAY,)),
        *(
            Metric(f"stage_{stage}_ms", "requests", meaning, (EXPERIMENT,))
            for stage, meaning in (
                ("queue", "from the arrival at the edge to the first tick"),
                ("edge", "from there to the frame being ready"),
                ("transfer", "the frame's way over the link"),
                ("device", "from its arrival to the picture"),
                ("overhead", "what is left of the response: hand-overs"),
            )
        ),
        Metric(
            "stage_plan_wait_ms",
            "requests",
            "of the overhead: until the slot's plan was there",
            (FIGURES,),
        ),
        Metric("loss", "training steps", "training loss", (FIGURES,)),
        Metric("k", "training steps", "candidates K", (FIGURES,)),
    )
}


def tail(metrics: Mapping[str, Mapping[str, Any]]) -> tuple[str, float | None]:
    """The tail of the response times and its name: p95, or the largest where there are too few
    requests for a p95."""
    p95 = metrics["p95_s"]["mean"]
    if p95 is not None:
        return "p95", p95
    largest = metrics.get("largest_s", {}).get("mean")
    return f"largest of {metrics['requests']['mean']:.0f}", largest


def markdown(metrics: Iterable[Metric]) -> str:
    """The table of docs/record.md."""
    lines = ["| metric | unit | over | what | in |", "|---|---|---|---|---|"]
    for metric in metrics:
        cells = (
            f"`{metric.name}`",
            metric.unit,
            metric.over or "-",
            metric.meaning.replace("|", "\\|"),
            ", ".join(metric.sources),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
