"""Every metric's name, unit and labels, in one place, and the registry of this process. The parts
write them through midstep.telemetry.writers.

Base units, no per-user labels, ratios are left to PromQL.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

__all__ = [
    "EVENTS",
    "REGISTRY",
    "SPECS",
    "Spec",
    "counter",
    "gauge",
    "histogram",
    "metric",
]

REGISTRY = CollectorRegistry()

# Neighbouring bounds at most a factor 1.25 apart, so that a quantile is known within one of them: 1
# ms to 100 s.
SECONDS = tuple(round(0.001 * 1.25**i, 7) for i in range(53))
RATIO = (0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
COSINE = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 1.0)
BATCH = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
# every step of a short schedule has its own bucket; the scenario allows 1000
STEPS = (*range(21), 25, 30, 35, 40, 45, 50, 100, 1000)
DECIBELS = (*range(5, 61), 100)
SIMILARITIES = (
    *(round(0.02 * i, 2) for i in range(10, 45)),
    0.9,
    *(round(0.01 * i, 2) for i in range(91, 101)),
)


@dataclass(frozen=True)
class Spec:
    """One metric: Prometheus kind, help text, labels, and for a histogram its bounds."""

    kind: type[Counter] | type[Gauge] | type[Histogram]
    text: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()


EVENTS = ("started", "slot", "scaled", "died", "stopping", "ended")

SPECS: dict[str, Spec] = {
    "requests_total": Spec(
        Counter, "Requests that ended, by how.", ("edge", "policy", "result", "reuse")
    ),
    "request_seconds": Spec(
        Histogram, "Stage times of finished requests.", ("edge", "stage"), SECONDS
    ),
    "denoise_step_seconds": Spec(
        Histogram, "A call of the denoiser, whatever its batch.", ("edge", "where"), SECONDS
    ),
    "denoise_batch_size": Spec(
        Histogram, "Requests advanced by one tick.", ("edge", "where"), BATCH
    ),
    "edge_queue_depth": Spec(Gauge, "Requests that wait for their first tick.", ("edge",)),
    "edge_rejections_total": Spec(Counter, "Requests refused, by why.", ("edge", "reason")),
    "plan_wait_seconds": Spec(
        Histogram, "How long requests waited for their slot's plan (coupled).", ("edge",), SECONDS
    ),
    "plans_missed_total": Spec(
        Counter, "Requests whose slot's plan did not come in time: made by devices.", ("edge",)
    ),
    "cut_step": Spec(
        Histogram,
        "Step at which a request was handed over; 0: its device does all.",
        ("edge",),
        STEPS,
    ),
    "reuse_limit": Spec(
        Histogram,
        "Last step from which a request's own picture comes out, as its device says.",
        ("edge",),
        STEPS,
    ),
    "reuse_checks_total": Spec(
        Counter,
        "Reused pictures that were made again without reuse, by class and by whether they were "
        "good enough; unrelated, then size: the edge went on from an unrelated prompt's output.",
        ("edge", "kind", "verdict"),
    ),
    "reuse_limits_lowered_total": Spec(
        Counter, "Times that limits were lowered, as checked pictures said.", ("edge",)
    ),
    "reuse_ceiling_step": Spec(
        Gauge,
        "Step at which a kind of reuse ends, where checked pictures have lowered it.",
        ("edge", "kind", "metric"),
    ),
    "reuse_psnr_db": Spec(
        Histogram,
        "PSNR of reused pictures against the same without reuse, where it was made.",
        ("edge", "kind"),
        DECIBELS,
    ),
    "reuse_ssim": Spec(
        Histogram,
        "SSIM of reused pictures against the same without reuse, where it was made.",
        ("edge", "kind"),
        SIMILARITIES,
    ),
    "edge_steps_total": Spec(
        Counter, "Steps computed, each charged to the request that first needed it.", ("edge",)
    ),
    "saved_steps_total": Spec(
        Counter, "Steps that requests were handed over, less those computed for them.", ("edge",)
    ),
    "store_lookups_total": Spec(Counter, "Lookups in the store.", ("edge",)),
    "store_hits_total": Spec(
        Counter,
        "Lookups that the store answered; resumed: with a step before the cut.",
        ("edge", "reuse"),
    ),
    "donor_similarity": Spec(
        Histogram,
        "Cosine of a request's prompt and the other prompt whose output served it, as it was or "
        "gone on from; by likeness.",
        ("edge", "likeness"),
        COSINE,
    ),
    "store_bytes": Spec(Gauge, "Bytes held by the store.", ("edge",)),
    "store_capacity_bytes": Spec(Gauge, "Bytes the store may hold.", ("edge",)),
    "store_entries": Spec(Gauge, "Outputs held by the store.", ("edge",)),
    "store_evictions_total": Spec(Counter, "Outputs that the policy let go.", ("edge",)),
    "disk_bytes": Spec(Gauge, "Bytes of the disk tier that its outputs take.", ("edge",)),
    "disk_capacity_bytes": Spec(Gauge, "Bytes that the disk tier may take.", ("edge",)),
    "disk_entries": Spec(Gauge, "Outputs held by the disk tier.", ("edge",)),
    "disk_lost_total": Spec(
        Counter,
        "Outputs that the disk tier let go or could not keep, by why: room, damaged, backlog, "
        "failed.",
        ("edge", "reason"),
    ),
    "disk_read_seconds": Spec(
        Histogram, "Reads of outputs that were served from disk.", ("edge",), SECONDS
    ),
    "fetches_total": Spec(
        Counter,
        "Outputs asked of a neighbour, by outcome: done, gone (it held it no more), failed.",
        ("edge", "neighbour", "outcome"),
    ),
    "fetch_seconds": Spec(
        Histogram, "From asking a neighbour to having its output.", ("edge", "neighbour"), SECONDS
    ),
    "backhaul_bytes_total": Spec(
        Counter,
        "Bytes over the backhaul from a neighbour: outputs, and digests of its store.",
        ("edge", "neighbour", "what"),
    ),
    "staging_bytes": Spec(Gauge, "Bytes of outputs that wait for the policy.", ("edge",)),
    "frame_bytes_total": Spec(Counter, "Bytes over the air, to devices.", ("edge",)),
    "arrivals_dropped_total": Spec(
        Counter, "Arrivals that were due within the run and never sent.", ("edge",)
    ),
    "link_rate_error_ratio": Spec(
        Histogram, "Achieved transfer time over commanded, minus 1.", (), RATIO
    ),
    "device_pace_error_ratio": Spec(
        Histogram, "Achieved device time over commanded, minus 1.", (), RATIO
    ),
    "lateness_seconds": Spec(
        Histogram, "How late a commanded instant was met.", ("part",), SECONDS
    ),
    "backlog_seconds": Spec(Gauge, "The Lyapunov queue Q of (23).", ("edge",)),
    "slot_latency_seconds": Spec(
        Gauge, "L_avg of the last slot, (16): mean over its misses.", ("edge",)
    ),
    "drift_plus_penalty": Spec(
        Gauge, "Q (L_avg - Lbar) + V L / |A| of the last slot, (33), seconds squared.", ("edge",)
    ),
    "optimality_gap_ratio": Spec(
        Gauge,
        "Regret of the last slot's plan against the best for the requests that came: 0 the best, 1 "
        "no better than no cache.",
        ("edge",),
    ),
    "learner_loss": Spec(Gauge, "Mean loss of the last training.", ("edge",)),
    "learner_candidates": Spec(
        Gauge, "Candidates K that the learner weighs against each other.", ("edge",)
    ),
    "learner_updates_total": Spec(Counter, "Training updates done.", ("edge",)),
    "plan_targets": Spec(Gauge, "Outputs that the last plan wants, a step each.", ("edge",)),
    "edge_step_price_seconds": Spec(
        Gauge, "Lambda of the last plan: what a step of edge time costs everybody else.", ("edge",)
    ),
    "decision_seconds": Spec(Histogram, "Time the policy takes to decide.", ("edge",), SECONDS),
    "devices": Spec(Gauge, "Devices by what they are doing.", ("edge", "state")),
    "device_joules_total": Spec(
        Counter,
        "Energy of devices for computing and for receiving, as the scenario's classes have it.",
        ("edge", "work"),
    ),
    "batteries_empty_total": Spec(
        Counter, "Devices that left because their battery was empty.", ("edge",)
    ),
    "frames_resent_total": Spec(
        Counter,
        "Times that a frame did not pass whole and was sent again, by what was wrong: lost, "
        "damaged.",
        ("edge", "fault"),
    ),
    "users": Spec(Gauge, "Devices that the run has now, as its centre counts them.", ("edge",)),
    "scenario_events_total": Spec(Counter, "What happened in the run.", ("event",)),
    "run_valid": Spec(Gauge, "1 while the emulator keeps its own bounds, else 0."),
    "cluster_nodes": Spec(Gauge, "Ray's nodes that are alive; 0 where no Ray is used."),
    "cluster_resource": Spec(
        Gauge,
        "Ray's resources, CPU and GPU in units, memory in bytes: total and used.",
        ("resource", "state"),
    ),
    "gpu_memory_bytes": Spec(Gauge, "GPU memory that this process's model takes; 0 without a GPU."),
    "build_info": Spec(Gauge, "Always 1; the labels say what runs.", ("version", "part")),
}


@functools.cache
def metric(name: str) -> Counter | Gauge | Histogram:
    """The metric of this process. Raises KeyError for a name that is not in SPECS."""
    spec = SPECS[name]
    if spec.kind is Histogram:
        return Histogram(
            name,
            spec.text,
            spec.labels,
            namespace="midstep",
            registry=REGISTRY,
            buckets=spec.bounds,
        )
    return spec.kind(name, spec.text, spec.labels, namespace="midstep", registry=REGISTRY)


@functools.cache
def counter(name: str, *labels: str) -> Counter:
    """A counter's child, cached: labels() costs more than inc()."""
    parent = metric(name)
    assert isinstance(parent, Counter), name
    return parent.labels(*labels) if labels else parent


@functools.cache
def gauge(name: str, *labels: str) -> Gauge:
    """A gauge's child, cached."""
    parent = metric(name)
    assert isinstance(parent, Gauge), name
    return parent.labels(*labels) if labels else parent


@functools.cache
def histogram(name: str, *labels: str) -> Histogram:
    """A histogram's child, cached."""
    parent = metric(name)
    assert isinstance(parent, Histogram), name
    return parent.labels(*labels) if labels else parent
