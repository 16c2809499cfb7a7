"""Overview's panels of the edge, its store, the air and the devices."""

from __future__ import annotations

from deploy.grafana.panels import (
    COUNT,
    SECONDS,
    Panel,
    Query,
    Row,
    mean,
    of_edge,
    quantiles,
    rate,
)

EDGE = Row(
    "Edge, air and devices",
    (
        Panel(
            title="Backlog Q",
            unit=SECONDS,
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
            unit=COUNT,
            queries=(Query(f"max by (edge) ({of_edge('edge_queue_depth')})", "{{edge}}"),),
            tells="Requests that wait for their first denoising step.",
            bad=(
                "more than a batch for longer than a moment: the edge has more to compute than it "
                "can."
            ),
            steps=((32, "yellow"), (128, "red")),
            reach=10,
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
                "its batch. What takes less than 1 ms, such as devices that are paced, is known as "
                "no more than that."
            ),
            bad=(
                "a p95 far over the p50 with equal batches: something else computes on this "
                "machine."
            ),
            base="blue",
            beside=True,
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
            beside=True,
            reach=1,
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
            beside=True,
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
            beside=True,
        ),
        Panel(
            title="Outputs held",
            unit=COUNT,
            queries=(Query(f"sum by (edge) ({of_edge('store_entries')})", "{{edge}}"),),
            tells="Intermediate outputs in the store.",
            bad="see Store.",
            base="blue",
        ),
        Panel(
            title="Disk tier",
            unit="decbytes",
            queries=(
                Query(f"sum by (edge) ({of_edge('disk_bytes')})", "{{edge}} held"),
                Query(f"sum by (edge) ({of_edge('disk_capacity_bytes')})", "{{edge}} capacity"),
            ),
            tells="What the second tier holds on disk, in whole pages, and what it may hold.",
            bad="full and hardly read: what leaves the store is not worth keeping.",
            only="a run with edges.N.disk",
            base="blue",
        ),
        Panel(
            title="Outputs on disk",
            unit=COUNT,
            queries=(Query(f"sum by (edge) ({of_edge('disk_entries')})", "{{edge}}"),),
            tells="Intermediate outputs in the disk tier.",
            bad="see Disk tier.",
            only="a run with edges.N.disk",
            base="blue",
        ),
        Panel(
            title="Outputs from disk, and lost there",
            unit="ops",
            queries=(
                Query(f"sum({rate(of_edge('disk_read_seconds_count'))})", "served"),
                Query(f"sum by (reason) ({rate(of_edge('disk_lost_total'))})", "lost, {{reason}}"),
            ),
            tells=(
                "Outputs that the disk served, and those that it let go or could not keep: no "
                "room, damaged, written too slowly (backlog), refused by the disk (failed)."
            ),
            bad="damaged, failed: look at the disk; backlog: more leaves memory than it writes.",
            only="a run with edges.N.disk",
            base="blue",
            beside=True,
        ),
        Panel(
            title="Outputs from neighbours",
            unit="ops",
            queries=(Query(f"sum by (outcome) ({rate(of_edge('fetches_total'))})", "{{outcome}}"),),
            tells=(
                "Outputs that an edge asked of a neighbour: had (done), not there any more (gone), "
                "or the neighbour did not answer (failed)."
            ),
            bad="gone: neighbours let go what others count on; failed: one of them is dead.",
            only="a run with edges.N.neighbours",
            base="blue",
        ),
        Panel(
            title="Backhaul",
            unit="Bps",
            queries=(
                Query(
                    f"sum by (edge, what) ({rate(of_edge('backhaul_bytes_total'))})",
                    "{{edge}} {{what}}",
                ),
            ),
            tells="Bytes that come to an edge from its neighbours: outputs, and what they hold.",
            bad="near edges.N.backhaul.mbps: outputs wait for the line, and are computed instead.",
            only="a run with edges.N.neighbours",
            base="blue",
        ),
        Panel(
            title="Time of a fetch",
            unit="s",
            queries=quantiles((0.5, 0.95), rate(of_edge("fetch_seconds_bucket")), "edge"),
            tells="From asking a neighbour to having its output: round trip, line, its bytes.",
            bad="a p95 far over the p50: outputs wait for each other on the line.",
            only="a run with edges.N.neighbours",
            base="blue",
            beside=True,
        ),
        Panel(
            title="Devices by what they do",
            unit=COUNT,
            queries=(Query(f"sum by (state) ({of_edge('devices')})", "{{state}}"),),
            tells="Thinking (no request), waiting for the edge, receiving, computing.",
            bad=(
                "all waiting: the edge is the bottleneck; all receiving: the link; all computing: "
                "the devices themselves."
            ),
            stacked=True,
            base="blue",
            width=12,
            beside=True,
        ),
        Panel(
            title="Devices' power",
            unit="watt",
            queries=(Query(f"sum by (edge) ({rate(of_edge('device_joules_total'))})", "{{edge}}"),),
            tells="Energy that devices spend on computing and receiving, as their classes have it.",
            bad=("it follows the steps that are left to devices: an earlier cut costs them more."),
            base="blue",
            width=12,
        ),
        Panel(
            title="Frames sent again",
            unit="ops",
            queries=(
                Query(
                    f"sum by (edge, fault) ({rate(of_edge('frames_resent_total'))})",
                    "{{edge}} {{fault}}",
                ),
            ),
            tells="Frames that were lost on the air or came damaged, and had to pass once more.",
            bad="each costs its device the time and the energy of a whole frame.",
            only="a run with events bit_errors or lost_frames",
            base="blue",
            width=12,
            beside=True,
        ),
        Panel(
            title="Batteries empty",
            unit=COUNT,
            queries=(Query(f"sum by (edge) ({of_edge('batteries_empty_total')})", "{{edge}}"),),
            tells="Devices that have left because their battery ran empty.",
            bad="what they had asked for failed; who is left is not who began.",
            only="a run with devices.N.battery_j",
            base="blue",
            width=12,
        ),
    ),
)
