"""Overview: is it working, how fast, how much is reused, and where requests wait."""

from __future__ import annotations

from deploy.grafana.donors import DONORS
from deploy.grafana.edge import EDGE
from deploy.grafana.guarantee import GUARANTEE
from deploy.grafana.panels import (
    COUNT,
    DONE,
    FROM_STORE,
    REUSED,
    Board,
    Panel,
    Query,
    Row,
    latest,
    of_edge,
    of_run,
    quantiles,
    ratio,
    so_far,
)
from deploy.grafana.steps import STEPS
from deploy.grafana.traffic import TRAFFIC

_TOTAL = 'stage="total"'
_DONE = so_far(of_edge("requests_total", DONE))

SO_FAR = Row(
    "So far",
    (
        Panel(
            title="Requests done",
            unit=COUNT,
            queries=(Query(f"sum({_DONE})", "done"),),
            tells="Pictures that users have.",
            bad=(
                "0 for longer than a picture takes: see the edge's queue below, and whether "
                "Cluster shows all processes."
            ),
            kind="stat",
            width=3,
        ),
        Panel(
            title="Rejected or failed",
            unit="percentunit",
            queries=(
                Query(
                    ratio(
                        so_far(of_edge("requests_total", 'result!="done"')),
                        so_far(of_edge("requests_total")),
                    )
                    + f" or 0 * sum({so_far(of_edge('requests_total'))})",
                    "share",
                ),
            ),
            tells="Share of the requests that ended without a picture.",
            bad=(
                "Rejections below tell the edge's reason; a failed one has its `error` in "
                "requests.parquet."
            ),
            kind="stat",
            steps=((0.001, "yellow"), (0.01, "red")),
            most=1,
            width=4,
        ),
        Panel(
            title="Mean response",
            unit="s",
            queries=(
                Query(
                    ratio(
                        *(so_far(of_edge(f"request_seconds_{n}", _TOTAL)) for n in ("sum", "count"))
                    ),
                    "mean",
                ),
            ),
            tells=(
                "From asking to having the picture, mean over requests: `response_per_request_ms` "
                "of summary.json."
            ),
            bad="compare the stages below.",
            kind="stat",
            steps=((10, "yellow"), (30, "red")),
            width=4,
        ),
        Panel(
            title="Response time",
            unit="s",
            queries=quantiles((0.5, 0.95, 0.99), so_far(of_edge("request_seconds_bucket", _TOTAL))),
            tells="Quantiles of the whole response, known within one bucket (a factor of 1.25).",
            bad="a p99 far from the p50 means waiting, not computing: see the stage *queue*.",
            kind="stat",
            steps=((10, "yellow"), (30, "red")),
            width=5,
        ),
        Panel(
            title="Hit ratio",
            unit="percentunit",
            queries=(
                Query(ratio(so_far(of_edge("requests_total", FROM_STORE)), _DONE), "from store"),
                Query(ratio(so_far(of_edge("requests_total", REUSED)), _DONE), "any reuse"),
            ),
            tells=(
                "Share of the pictures whose edge steps all came from the store, and of these and "
                "those that shared them with a request in flight: `hit_ratio` and "
                "`hit_ratio_in_slot` of summary.json."
            ),
            bad=(
                "a store that is full and far smaller than what is asked for cannot do better: "
                "raise edges.N.capacity, or compare policies with `midstep simulate`."
            ),
            kind="stat",
            base="blue",
            most=1,
            width=4,
        ),
        Panel(
            title="Verdict",
            unit="none",
            queries=(Query(f"min({latest(of_run('run_valid'))})", "verdict"),),
            tells=(
                "Whether the emulator keeps its own bounds so far; the report's verdict is made "
                "from the whole record."
            ),
            bad=(
                "numbers of an INVALID run describe the machine, not the policy. Fidelity shows "
                "what was late."
            ),
            kind="stat",
            words={0: ("INVALID", "red"), 1: ("VALID", "green")},
            width=2,
        ),
        Panel(
            title="Alerts",
            unit="none",
            queries=(
                Query('count(ALERTS{alertstate="firing",run="$run"}) or vector(0)', "firing"),
            ),
            tells="Alerts of deploy/prometheus/alerts.yml that fire for this run.",
            bad="Prometheus lists them under /alerts, with what to do.",
            kind="stat",
            steps=((1, "red"),),
            width=2,
        ),
    ),
)

BOARD = Board(
    "overview",
    "midstep: Overview",
    "Is it working, how fast is it, how much is reused, and where do requests wait?",
    (SO_FAR, TRAFFIC, STEPS, DONORS, GUARANTEE, EDGE),
)
