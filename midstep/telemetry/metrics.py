"""Every metric's name, unit and labels, in one place; and the little objects through which the
parts write them.

Base units, no per-user labels, ratios are left to PromQL. One registry a process.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from midstep.telemetry.record import STAGES, RequestRow

__all__ = [
    "EVENTS",
    "REGISTRY",
    "SPECS",
    "EdgeMetrics",
    "LearnerMetrics",
    "RunMetrics",
    "Spec",
    "UserMetrics",
    "counter",
    "gauge",
    "histogram",
    "metric",
    "on_tick",
]

REGISTRY = CollectorRegistry()

# Neighbouring bounds at most a factor 1.25 apart, so that a quantile is known within one of them: 1
# ms to 100 s.
SECONDS = tuple(round(0.001 * 1.25**i, 7) for i in range(53))
RATIO = (0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
BATCH = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
# every step of a short schedule has its own bucket; the scenario allows 1000
STEPS = (*range(21), 25, 30, 35, 40, 45, 50, 100, 1000)


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
    "store_bytes": Spec(Gauge, "Bytes held by the store.", ("edge",)),
    "store_capacity_bytes": Spec(Gauge, "Bytes the store may hold.", ("edge",)),
    "store_entries": Spec(Gauge, "Outputs held by the store.", ("edge",)),
    "store_evictions_total": Spec(Counter, "Outputs that the policy let go.", ("edge",)),
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
        Counter, "Energy of device computing, as the scenario's watts have it.", ("edge",)
    ),
    "users": Spec(Gauge, "Devices that the run has now, as its centre counts them.", ("edge",)),
    "scenario_events_total": Spec(Counter, "Events of the run, see EVENTS.", ("event",)),
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


class EdgeMetrics:
    """Metrics of an edge; every series exists from the start, so that a rate never misses its first
    event."""

    def __init__(self, edge: str) -> None:
        self.edge = edge
        for reuse in ("exact", "resumed", "final"):
            counter("store_hits_total", edge, reuse)
        for reason in ("queue", "prompt", "identity", "frame", "deadline", "token"):
            counter("edge_rejections_total", edge, reason)
        self._cut = histogram("cut_step", edge)
        self._limit = histogram("reuse_limit", edge)
        self._computed = counter("edge_steps_total", edge)
        self._saved = counter("saved_steps_total", edge)

    def capacity(self, nbytes: int) -> None:
        """The store's bound, bytes."""
        gauge("store_capacity_bytes", self.edge).set(nbytes)

    def lookup(self) -> None:
        """One lookup in the store."""
        counter("store_lookups_total", self.edge).inc()

    def hit(self, reuse: str) -> None:
        """One lookup answered."""
        counter("store_hits_total", self.edge, reuse).inc()

    def handed_over(self, cut: int, limit: int, edge_steps: int, saved_steps: int) -> None:
        """One request handed over at step `cut`, at most its `limit`: edge_steps + saved_steps."""
        self._cut.observe(cut)
        self._limit.observe(limit)
        self._computed.inc(edge_steps)
        self._saved.inc(saved_steps)

    def rejected(self, reason: str) -> None:
        """One request refused: queue, prompt, identity, frame, deadline or token."""
        counter("edge_rejections_total", self.edge, reason).inc()

    def evicted(self, number: int) -> None:
        """Outputs evicted."""
        counter("store_evictions_total", self.edge).inc(number)

    def state(self, entries: int, store_bytes: int, staging_bytes: int, queue: int) -> None:
        """Current size of store, staging and queue."""
        gauge("store_entries", self.edge).set(entries)
        gauge("store_bytes", self.edge).set(store_bytes)
        gauge("staging_bytes", self.edge).set(staging_bytes)
        gauge("edge_queue_depth", self.edge).set(queue)


class LearnerMetrics:
    """Metrics of the learner; a value not known yet is NaN, never a 0 that looks measured."""

    GAUGES = (
        "backlog_seconds",
        "slot_latency_seconds",
        "drift_plus_penalty",
        "optimality_gap_ratio",
        "learner_loss",
        "learner_candidates",
        "plan_targets",
        "edge_step_price_seconds",
    )

    def __init__(self, edge: str) -> None:
        self.edge = edge
        for name in self.GAUGES:
            gauge(name, edge).set(math.nan)
        counter("learner_updates_total", edge)
        histogram("decision_seconds", edge)

    def slot(
        self, queue_s: float, latency_avg_s: float, objective: float, gap: float | None
    ) -> None:
        """A slot's end: Q, L_avg, the objective (33), and its plan's gap where there is one."""
        gauge("backlog_seconds", self.edge).set(queue_s)
        gauge("slot_latency_seconds", self.edge).set(latency_avg_s)
        gauge("drift_plus_penalty", self.edge).set(objective)
        if gap is not None:
            gauge("optimality_gap_ratio", self.edge).set(gap)

    def targets(self, count: int, step_price_s: float) -> None:
        """A plan's targets, and lambda, the price of a step of edge time in it, seconds."""
        gauge("plan_targets", self.edge).set(count)
        gauge("edge_step_price_seconds", self.edge).set(step_price_s)

    def spent(self, seconds: float) -> None:
        """Observe the seconds of one call of the policy."""
        histogram("decision_seconds", self.edge).observe(seconds)

    def trained(self, loss: float, k: int, updates: int) -> None:
        """A training step ended, which made `updates` more updates."""
        gauge("learner_loss", self.edge).set(loss)
        gauge("learner_candidates", self.edge).set(k)
        counter("learner_updates_total", self.edge).inc(max(0, updates))


def on_tick(edge: str, where: str) -> Callable[[int, float, float], None]:
    """The callback of an engine's ticks (`EngineStats.on_tick`); `where`: edge or device."""
    step_seconds = histogram("denoise_step_seconds", edge, where)
    batch_size = histogram("denoise_batch_size", edge, where)

    def observe(batch: int, step_s: float, tick_s: float) -> None:
        step_seconds.observe(step_s)
        batch_size.observe(batch)

    return observe


class RunMetrics:
    """Metrics of a run's orchestrator."""

    def __init__(self) -> None:
        for event in EVENTS:
            counter("scenario_events_total", event)
        gauge("cluster_nodes")

    def event(self, event: str) -> None:
        """Something of EVENTS happened."""
        assert event in EVENTS, event
        counter("scenario_events_total", event).inc()

    def users(self, edge: str, number: int) -> None:
        """Devices that an edge has now."""
        gauge("users", edge).set(number)

    def slot_late(self, seconds: float) -> None:
        """How late a slot's end was noticed."""
        histogram("lateness_seconds", "slot").observe(seconds)

    def valid(self, valid: bool) -> None:
        """Whether the emulator keeps its own bounds so far."""
        gauge("run_valid").set(float(valid))

    def cluster(self, nodes: int, total: Mapping[str, float], free: Mapping[str, float]) -> None:
        """Ray's nodes, and its resources by name."""
        gauge("cluster_nodes").set(nodes)
        for resource in ("CPU", "GPU", "memory"):
            amount = total.get(resource, 0.0)
            gauge("cluster_resource", resource, "total").set(amount)
            gauge("cluster_resource", resource, "used").set(amount - free.get(resource, 0.0))


class UserMetrics:
    """Metrics of a host of devices."""

    STATES = ("thinking", "waiting", "receiving", "computing")

    def __init__(self, edge: str, policy: str) -> None:
        self._edge = edge
        self._policy = policy
        self._states = {state: gauge("devices", edge, state) for state in self.STATES}
        counter("arrivals_dropped_total", edge)
        for reuse in ("computed", "exact", "resumed", "shared"):
            counter("requests_total", edge, policy, "done", reuse)

    def joined(self) -> None:
        """One more device, thinking."""
        self._states["thinking"].inc()

    def left(self, state: str) -> None:
        """One device fewer."""
        self._states[state].dec()

    def moved(self, before: str, after: str) -> None:
        """A device goes from one state to another."""
        self._states[before].dec()
        self._states[after].inc()

    def ended(self, row: RequestRow) -> None:
        """One request ended, somehow; or was never sent."""
        if row.result == "dropped":
            counter("arrivals_dropped_total", self._edge).inc()
            return
        counter("requests_total", self._edge, self._policy, row.result, row.reuse or "none").inc()
        if row.arrival_late_s is not None:
            histogram("lateness_seconds", "arrival").observe(row.arrival_late_s)
        if row.result != "done":
            return
        for stage in STAGES:
            histogram("request_seconds", self._edge, stage).observe(getattr(row, f"{stage}_s"))
        counter("frame_bytes_total", self._edge).inc(row.frame_bytes or 0)
        counter("device_joules_total", self._edge).inc(row.joules or 0)
        _observe_error(
            "link",
            "link_rate_error_ratio",
            late=row.transfer_late_s,
            spent=row.transfer_s,
            wait=row.transfer_wait_s,
        )
        _observe_error(
            "device",
            "device_pace_error_ratio",
            late=row.device_late_s,
            spent=row.device_s,
            wait=row.device_wait_s,
        )


def _observe_error(
    part: str, ratio: str, *, late: float | None, spent: float | None, wait: float | None
) -> None:
    """Lateness in seconds, and as a share of the commanded work: without the wait before it."""
    if late is not None and spent is not None:
        histogram("lateness_seconds", part).observe(max(0.0, late))
        histogram(ratio).observe(late / max(1e-9, spent - late - (wait or 0.0)))
