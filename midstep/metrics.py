"""Every metric's name, unit and labels, in one place; and the little objects through which the parts write them.

Base units, no per-user labels, ratios are left to PromQL. One registry a process.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from midstep.record import STAGES, RequestRow

REGISTRY = CollectorRegistry()

# Neighbouring bounds at most a factor 1.25 apart, so that a quantile is known within one of them: 1 ms to 100 s.
SECONDS = tuple(round(0.001 * 1.25**i, 7) for i in range(53))
RATIO = (0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
BATCH = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)


@dataclass(frozen=True)
class Spec:
    """One metric: Prometheus kind, help text, labels, and for a histogram its bounds."""

    kind: type[Counter] | type[Gauge] | type[Histogram]
    text: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()


SPECS: dict[str, Spec] = {
    "requests_total": Spec(Counter, "Requests that ended, by how.", ("edge", "policy", "result", "reuse")),
    "request_seconds": Spec(Histogram, "Stage times of finished requests.", ("stage",), SECONDS),
    "denoise_step_seconds": Spec(Histogram, "One call of the denoiser, whatever its batch.", ("where",), SECONDS),
    "denoise_batch_size": Spec(Histogram, "Requests advanced by one tick.", ("where",), BATCH),
    "edge_queue_depth": Spec(Gauge, "Requests that wait for their first tick.", ("edge",)),
    "edge_rejections_total": Spec(Counter, "Requests refused, by why.", ("edge", "reason")),
    "store_lookups_total": Spec(Counter, "Lookups in the store.", ("edge",)),
    "store_hits_total": Spec(Counter, "Lookups that the store answered.", ("edge", "reuse")),
    "store_bytes": Spec(Gauge, "Bytes held by the store.", ("edge",)),
    "store_capacity_bytes": Spec(Gauge, "Bytes the store may hold.", ("edge",)),
    "store_entries": Spec(Gauge, "Outputs held by the store.", ("edge",)),
    "store_evictions_total": Spec(Counter, "Outputs that the policy let go.", ("edge",)),
    "staging_bytes": Spec(Gauge, "Bytes of outputs that wait for the policy.", ("edge",)),
    "frame_bytes_total": Spec(Counter, "Bytes over the air, to devices."),
    "link_rate_error_ratio": Spec(Histogram, "Achieved transfer time over commanded, minus 1.", (), RATIO),
    "device_pace_error_ratio": Spec(Histogram, "Achieved device time over commanded, minus 1.", (), RATIO),
    "lateness_seconds": Spec(Histogram, "How late a commanded instant was met.", ("part",), SECONDS),
    "backlog_seconds": Spec(Gauge, "The Lyapunov queue Q of (23)."),
    "slot_latency_seconds": Spec(Gauge, "L_avg of the last slot, (16): mean over its misses."),
    "drift_plus_penalty": Spec(Gauge, "Q (L_avg - Lbar) + V L / |A| of the last slot, (33), seconds squared."),
    "optimality_gap_ratio": Spec(
        Gauge, "How far the last slot's plan was from the best in hindsight: 0 the best, 1 no better than no cache."
    ),
    "learner_loss": Spec(Gauge, "Mean loss of the last training."),
    "learner_candidates": Spec(Gauge, "Candidates K that the learner weighs against each other."),
    "learner_updates_total": Spec(Counter, "Training updates done."),
    "decision_seconds": Spec(Histogram, "Time the policy takes to decide.", (), SECONDS),
    "devices": Spec(Gauge, "Devices by what they are doing.", ("state",)),
    "device_joules_total": Spec(Counter, "Energy of device computing, as the scenario's watts have it."),
    "scenario_events_total": Spec(Counter, "Events of the run: started, slot, stopping, ended.", ("event",)),
    "run_valid": Spec(Gauge, "1 while the emulator keeps its own bounds, else 0."),
    "build_info": Spec(Gauge, "Always 1; the labels say what runs.", ("version", "part")),
}


@functools.cache
def metric(name: str) -> Counter | Gauge | Histogram:
    """The metric of this process. Raises KeyError for a name that is not in SPECS."""
    spec = SPECS[name]
    if spec.kind is Histogram:
        return Histogram(name, spec.text, spec.labels, namespace="midstep", registry=REGISTRY, buckets=spec.bounds)
    return spec.kind(name, spec.text, spec.labels, namespace="midstep", registry=REGISTRY)


@functools.cache
def counter(name: str, *labels: str) -> Counter:
    """A counter's child, cached: labels() costs more than inc()."""
    found = metric(name)
    assert isinstance(found, Counter), name
    return found.labels(*labels) if labels else found


@functools.cache
def gauge(name: str, *labels: str) -> Gauge:
    """A gauge's child, cached."""
    found = metric(name)
    assert isinstance(found, Gauge), name
    return found.labels(*labels) if labels else found


@functools.cache
def histogram(name: str, *labels: str) -> Histogram:
    """A histogram's child, cached."""
    found = metric(name)
    assert isinstance(found, Histogram), name
    return found.labels(*labels) if labels else found


class EdgeMetrics:
    """What the edge writes; every series exists from the start, so that a rate is never missing its first event."""

    def __init__(self, edge: str) -> None:
        self.edge = edge
        for reuse in ("exact", "final"):
            counter("store_hits_total", edge, reuse)
        for reason in ("queue", "prompt", "identity", "deadline"):
            counter("edge_rejections_total", edge, reason)

    def capacity(self, nbytes: int) -> None:
        """The store's bound, bytes."""
        gauge("store_capacity_bytes", self.edge).set(nbytes)

    def lookup(self) -> None:
        """One lookup in the store."""
        counter("store_lookups_total", self.edge).inc()

    def hit(self, reuse: str) -> None:
        """One lookup answered."""
        counter("store_hits_total", self.edge, reuse).inc()

    def rejected(self, reason: str) -> None:
        """One request refused: queue, prompt, identity or deadline."""
        counter("edge_rejections_total", self.edge, reason).inc()

    def evicted(self, number: int) -> None:
        """Outputs let go."""
        counter("store_evictions_total", self.edge).inc(number)

    def state(self, entries: int, store_bytes: int, staging_bytes: int, queue: int) -> None:
        """What store, staging and queue hold now."""
        gauge("store_entries", self.edge).set(entries)
        gauge("store_bytes", self.edge).set(store_bytes)
        gauge("staging_bytes", self.edge).set(staging_bytes)
        gauge("edge_queue_depth", self.edge).set(queue)


class LearnerMetrics:
    """What the learner writes; what is not known yet is NaN, never a 0 that looks measured."""

    GAUGES = (
        "backlog_seconds", "slot_latency_seconds", "drift_plus_penalty", "optimality_gap_ratio", "learner_loss",
        "learner_candidates",
    )  # fmt: skip

    def __init__(self) -> None:
        for name in self.GAUGES:
            gauge(name).set(math.nan)
        counter("learner_updates_total")
        histogram("decision_seconds")

    def slot(self, queue_s: float, latency_avg_s: float, objective: float, gap: float | None) -> None:
        """A slot's end: Q, L_avg, the objective (33), and its plan's gap where there is one."""
        gauge("backlog_seconds").set(queue_s)
        gauge("slot_latency_seconds").set(latency_avg_s)
        gauge("drift_plus_penalty").set(objective)
        if gap is not None:
            gauge("optimality_gap_ratio").set(gap)

    def spent(self, seconds: float) -> None:
        """The policy was asked once."""
        histogram("decision_seconds").observe(seconds)

    def trained(self, loss: float, k: int, updates: int) -> None:
        """A training ended, with so many updates more."""
        gauge("learner_loss").set(loss)
        gauge("learner_candidates").set(k)
        counter("learner_updates_total").inc(max(0, updates))


def on_tick(where: str, batch: int, step_s: float, tick_s: float) -> None:
    """An engine's tick, on the edge or on a device host."""
    histogram("denoise_step_seconds", where).observe(step_s)
    histogram("denoise_batch_size", where).observe(batch)


class UserMetrics:
    """What a host of devices writes."""

    STATES = ("thinking", "waiting", "receiving", "computing")

    def __init__(self, edge: str, policy: str) -> None:
        self._edge, self._policy = edge, policy
        self._states = {state: gauge("devices", state) for state in self.STATES}
        for reuse in ("computed", "exact", "shared"):
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
        """One request ended, somehow."""
        counter("requests_total", self._edge, self._policy, row.result, row.reuse or "none").inc()
        if row.result != "done":
            return
        for stage in STAGES:
            histogram("request_seconds", stage).observe(getattr(row, f"{stage}_s"))
        counter("frame_bytes_total").inc(row.frame_bytes or 0)
        counter("device_joules_total").inc(row.joules or 0)
        for part, late, took, error in (
            ("link", row.transfer_late_s, row.transfer_s, "link_rate_error_ratio"),
            ("device", row.device_late_s, row.device_s, "device_pace_error_ratio"),
        ):
            if late is not None and took is not None:
                histogram("lateness_seconds", part).observe(max(0.0, late))
                histogram(error).observe(late / max(1e-9, took - late))
