"""Overview's panels of requests: users, rates, reuse, and response times by stage."""

from __future__ import annotations

from deploy.grafana.panels import (
    COUNT,
    DONE,
    SPARED,
    STAGES,
    Panel,
    Query,
    Row,
    of_edge,
    quantile,
    rate,
)

_BY_STAGE = f'stage=~"{STAGES}"'


def _response(q: float) -> Panel:
    return Panel(
        title=f"Response time p{100 * q:g} by stage",
        unit="s",
        queries=(
            Query(
                quantile(q, rate(of_edge("request_seconds_bucket", _BY_STAGE)), "stage"),
                "{{stage}}",
            ),
        ),
        tells=(
            f"What {q:.0%} of the requests stay under, in each stage and in all. "
            "Quantiles of stages do not add up."
        ),
        bad=(
            "look which stage rose. queue: the edge is full, give it fewer users, a larger cache "
            "or a faster device. transfer: the channel or the frame's size. device: "
            "devices.speed_ratio. overhead: the machine itself is busy, see Fidelity."
        ),
        steps=((10, "yellow"), (30, "red")),
        beside=True,
    )


TRAFFIC = Row(
    "Requests",
    (
        Panel(
            title="Users",
            unit=COUNT,
            queries=(Query(f"sum by (edge) ({of_edge('users')})", "{{edge}}"),),
            tells="Devices that each edge serves now.",
            bad=(
                "a step down that nobody asked for is a host that died: see the events and Cluster."
            ),
            base="blue",
            stacked=True,
        ),
        Panel(
            title="Request rate",
            unit="reqps",
            queries=(Query(f"sum by (result) ({rate(of_edge('requests_total'))})", "{{result}}"),),
            tells="Requests that end in a second, by how.",
            bad=(
                "`rejected` grows where the edge is full (queue_limit); `failed` where a part is "
                "out of reach; `unfinished` is what the run's end cut off."
            ),
            stacked=True,
        ),
        Panel(
            title="Share of reuse by kind",
            unit="percentunit",
            queries=(
                Query(
                    f"sum by (reuse) ({rate(of_edge('requests_total', SPARED))}) "
                    "/ ignoring (reuse) group_left "
                    f"sum({rate(of_edge('requests_total', DONE))})",
                    "{{reuse}}",
                ),
            ),
            tells=(
                "Share of the pictures by how they were spared edge steps: exact (from the "
                "store), similar (another prompt's), resumed (went on from the store's), shared "
                "(joined one in flight), final (a finished picture)."
            ),
            bad=(
                "a ratio that falls while users stay the same: popularity drifts faster than the "
                "policy learns, or the store was emptied by an edge that died."
            ),
            base="blue",
            stacked=True,
            most=1,
            beside=True,
        ),
        _response(0.5),
        _response(0.95),
        _response(0.99),
    ),
)
