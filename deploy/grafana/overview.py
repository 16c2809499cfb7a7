"""Overview: is it working, how fast, how much is reused, and where requests wait."""

from __future__ import annotations

from deploy.grafana.panels import (
    DONE,
    FROM_STORE,
    REUSED,
    STAGES,
    Board,
    Panel,
    Query,
    Row,
    latest,
    mean,
    of_edge,
    of_run,
    quantile,
    quantiles,
    rate,
    ratio,
    so_far,
)

_TOTAL = 'stage="total"'
_BY_STAGE = f'stage=~"{STAGES}"'
_DONE = so_far(of_edge("requests_total", DONE))


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
    )


SO_FAR = Row(
    "So far",
    (
        Panel(
            title="Requests done",
            unit="short",
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
            width=3,
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
            width=3,
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
                Query(
                    ratio(so_far(of_edge("requests_total", FROM_STORE)), _DONE), "from the store"
                ),
                Query(ratio(so_far(of_edge("requests_total", REUSED)), _DONE), "any reuse"),
            ),
            tells=(
                "Share of the pictures whose first steps came from the store, and of those that "
                "needed no edge steps of their own (shared with a request in flight included): "
                "`hit_ratio` and `hit_ratio_in_slot` of summary.json."
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
            width=3,
        ),
        Panel(
            title="Alerts firing",
            unit="none",
            queries=(
                Query('count(ALERTS{alertstate="firing",run="$run"}) or vector(0)', "firing"),
            ),
            tells="Alerts of deploy/prometheus/alerts.yml that fire for this run.",
            bad="Prometheus lists them under /alerts, with what to do.",
            kind="stat",
            steps=((1, "red"),),
            width=3,
        ),
    ),
)

TRAFFIC = Row(
    "Requests",
    (
        Panel(
            title="Users",
            unit="short",
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
            title="Hit ratio by kind of reuse",
            unit="percentunit",
            queries=(
                Query(
                    f"sum by (reuse) ({rate(of_edge('requests_total', REUSED))}) "
                    "/ ignoring (reuse) group_left "
                    f"sum({rate(of_edge('requests_total', DONE))})",
                    "{{reuse}}",
                ),
            ),
            tells=(
                "Share of the pictures by how they were spared edge steps: exact (from the store), "
                "shared (joined one in flight), final (a finished picture)."
            ),
            bad=(
                "a ratio that falls while users stay the same: popularity drifts faster than the "
                "policy learns, or the store was emptied by an edge that died."
            ),
            base="blue",
            stacked=True,
            most=1,
        ),
        _response(0.5),
        _response(0.95),
        _response(0.99),
    ),
)

EDGE = Row(
    "Edge, air and devices",
    (
        Panel(
            title="Backlog Q",
            unit="s",
            queries=(Query(f"max by (edge) ({of_edge('backlog_seconds')})", "{{edge}}"),),
            tells=(
                "The Lyapunov queue of (23): how far misses have been over the latency target, "
                "added up."
            ),
            bad=(
                "a Q that only grows: the target cannot be met with this load. Raise "
                "policy.latency_target_s or the capacity, or take users away."
            ),
        ),
        Panel(
            title="Edge queue",
            unit="short",
            queries=(Query(f"max by (edge) ({of_edge('edge_queue_depth')})", "{{edge}}"),),
            tells="Requests that wait for their first denoising step.",
            bad=(
                "more than a batch for longer than a moment: the edge has more to compute than it "
                "can."
            ),
            steps=((32, "yellow"), (128, "red")),
        ),
        Panel(
            title="Batch size",
            unit="short",
            queries=(Query(mean("denoise_batch_size", 'where="edge"'), "{{edge}}"),),
            tells="Requests that one denoising step of the edge advances, mean.",
            bad=(
                "1 all the time is an edge with time to spare, or a model that cannot be batched; "
                "the largest that edges.N allows is a full edge."
            ),
            base="blue",
        ),
        Panel(
            title="Denoising steps",
            unit="s",
            queries=quantiles((0.5, 0.95), rate(of_edge("denoise_step_seconds_bucket")), "where"),
            tells=(
                "Duration of one call of the denoiser, on the edge and on device hosts, whatever "
                "its batch."
            ),
            bad=(
                "a p95 far over the p50 with equal batches: something else computes on this "
                "machine."
            ),
            base="blue",
        ),
        Panel(
            title="Rejections",
            unit="reqps",
            queries=(
                Query(f"sum by (reason) ({rate(of_edge('edge_rejections_total'))})", "{{reason}}"),
            ),
            tells="Requests that the edge refuses, by why.",
            bad=(
                "queue: too many users. deadline: answered too late. identity: a device with "
                "another model. prompt: not a text. token: a client without the run's token."
            ),
            steps=((0.01, "yellow"), (1, "red")),
        ),
        Panel(
            title="Bytes over the air",
            unit="Bps",
            queries=(Query(f"sum by (edge) ({rate(of_edge('frame_bytes_total'))})", "{{edge}}"),),
            tells="Frames sent to devices, as they count on the radio link.",
            bad=(
                "0 while users ask: nothing gets through, see the edge queue. It cannot be more "
                "than users times their bandwidth."
            ),
            base="blue",
        ),
        Panel(
            title="Store",
            unit="decbytes",
            queries=(
                Query(f"sum by (edge) ({of_edge('store_bytes')})", "{{edge}} held"),
                Query(f"sum by (edge) ({of_edge('store_capacity_bytes')})", "{{edge}} capacity"),
                Query(f"sum by (edge) ({of_edge('staging_bytes')})", "{{edge}} staging"),
            ),
            tells="What the cache holds, what it may hold, and what waits for the policy's word.",
            bad=(
                "a store far under its capacity after minutes: the policy admits too little, or "
                "outputs are larger than the room that is left."
            ),
            base="blue",
        ),
        Panel(
            title="Lookups in the store",
            unit="ops",
            queries=(
                Query(f"sum({rate(of_edge('store_lookups_total'))})", "lookups"),
                Query(f"sum by (reuse) ({rate(of_edge('store_hits_total'))})", "hits, {{reuse}}"),
                Query(f"sum({rate(of_edge('store_evictions_total'))})", "evictions"),
            ),
            tells="Lookups, how many were answered, and outputs that the policy let go.",
            bad=(
                "evictions near the number of lookups: the policy churns, it keeps nothing long "
                "enough to be asked for again."
            ),
            base="blue",
        ),
        Panel(
            title="Outputs held",
            unit="short",
            queries=(Query(f"sum by (edge) ({of_edge('store_entries')})", "{{edge}}"),),
            tells="Intermediate outputs in the store.",
            bad="see Store.",
            base="blue",
        ),
        Panel(
            title="Devices by what they do",
            unit="short",
            queries=(Query(f"sum by (state) ({of_edge('devices')})", "{{state}}"),),
            tells="Thinking (no request), waiting for the edge, receiving, computing.",
            bad=(
                "all waiting: the edge is the bottleneck; all receiving: the link; all computing: "
                "the devices themselves."
            ),
            stacked=True,
            base="blue",
            width=12,
        ),
        Panel(
            title="Devices' power",
            unit="watt",
            queries=(Query(f"sum by (edge) ({rate(of_edge('device_joules_total'))})", "{{edge}}"),),
            tells="Energy that devices spend on computing, as the scenario's watts have it.",
            bad=(
                "it follows the steps that are left to devices: a smaller model.split_step costs "
                "them more."
            ),
            base="blue",
            width=12,
        ),
    ),
)

BOARD = Board(
    "overview",
    "midstep: Overview",
    "Is it working, how fast is it, how much is reused, and where do requests wait?",
    (SO_FAR, TRAFFIC, EDGE),
)
