"""The little objects through which the parts of a run write their metrics."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

from midstep.telemetry.metrics import EVENTS, counter, gauge, histogram
from midstep.telemetry.record import STAGES, RequestRow

__all__ = [
    "BackhaulMetrics",
    "DiskMetrics",
    "EdgeMetrics",
    "GuardMetrics",
    "LearnerMetrics",
    "RunMetrics",
    "UserMetrics",
    "on_tick",
]


class EdgeMetrics:
    """Metrics of an edge; every series exists from the start, so that a rate never misses its first
    event."""

    def __init__(self, edge: str) -> None:
        self.edge = edge
        for reuse in ("exact", "similar", "resumed", "final"):
            counter("store_hits_total", edge, reuse)
        for reason in ("queue", "prompt", "identity", "frame", "deadline", "token"):
            counter("edge_rejections_total", edge, reason)
        self._plan_wait = histogram("plan_wait_seconds", edge)
        self._plans_missed = counter("plans_missed_total", edge)
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

    def donated(self, likeness: str, similarity: float) -> None:
        """One request served by another prompt's output, as it is or gone on from."""
        histogram("donor_similarity", self.edge, likeness).observe(similarity)

    def waited_for_plan(self, wait_s: float, in_time: bool) -> None:
        """One request waited for its slot's plan, scenario seconds; whether it came in time."""
        self._plan_wait.observe(wait_s)
        if not in_time:
            self._plans_missed.inc()

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


class DiskMetrics:
    """Metrics of an edge's disk tier of `capacity` bytes; see edge_node.cache.disk_events."""

    def __init__(self, edge: str, capacity: int) -> None:
        self.edge = edge
        for reason in ("room", "damaged", "backlog", "failed"):
            counter("disk_lost_total", edge, reason)
        self._read = histogram("disk_read_seconds", edge)
        self._entries = gauge("disk_entries", edge)
        self._bytes = gauge("disk_bytes", edge)
        gauge("disk_capacity_bytes", edge).set(capacity)

    def read(self, seconds: float) -> None:
        """One output was served from disk, after so many wall seconds."""
        self._read.observe(seconds)

    def lost(self, reason: str) -> None:
        """One output is not kept: room, damaged, backlog, failed."""
        counter("disk_lost_total", self.edge, reason).inc()

    def holds(self, entries: int, nbytes: int) -> None:
        """What the tier holds now."""
        self._entries.set(entries)
        self._bytes.set(nbytes)


class BackhaulMetrics:
    """Metrics of what an edge has from one neighbour."""

    def __init__(self, edge: str, neighbour: str) -> None:
        self._outcomes = {
            outcome: counter("fetches_total", edge, neighbour, outcome)
            for outcome in ("done", "gone", "failed")
        }
        self._seconds = histogram("fetch_seconds", edge, neighbour)
        self._outputs = counter("backhaul_bytes_total", edge, neighbour, "outputs")
        self._digests = counter("backhaul_bytes_total", edge, neighbour, "digests")

    def fetched(self, outcome: str) -> None:
        """One output was asked for: done, gone, failed."""
        self._outcomes[outcome].inc()

    def passed(self, nbytes: int, seconds: float) -> None:
        """One output is here, after so many scenario seconds."""
        self._outputs.inc(nbytes)
        self._seconds.observe(seconds)

    def digested(self, nbytes: int) -> None:
        """One digest is here."""
        self._digests.inc(nbytes)


class GuardMetrics:
    """Metrics of what an edge hears of checked pictures."""

    def __init__(self, edge: str) -> None:
        self.edge = edge
        counter("reuse_limits_lowered_total", edge)

    def checked(self, kind: str, good: bool) -> None:
        """One reused picture was made again without reuse."""
        counter("reuse_checks_total", self.edge, kind, "good" if good else "bad").inc()

    def lowered(self) -> None:
        """Limits were lowered."""
        counter("reuse_limits_lowered_total", self.edge).inc()

    def ceiling(self, kind: str, metric: str, step: int) -> None:
        """The step at which a kind of reuse ends now."""
        gauge("reuse_ceiling_step", self.edge, kind, metric).set(step)


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
    """Metrics of a run's orchestrator. `kinds` are those of its timeline's events."""

    def __init__(self, kinds: Iterable[str] = ()) -> None:
        ends = [(kind, f"{kind} over") for kind in kinds]
        self._events = {*EVENTS, *(event for pair in ends for event in pair)}
        for event in sorted(self._events):
            counter("scenario_events_total", event)
        gauge("cluster_nodes")

    def event(self, event: str) -> None:
        """Something of EVENTS happened; or an event of the timeline, or what it did is over."""
        assert event in self._events, event
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

    STATES = ("thinking", "sending", "waiting", "receiving", "computing")

    def __init__(self, edge: str, policy: str) -> None:
        self._edge = edge
        self._policy = policy
        self._states = {state: gauge("devices", edge, state) for state in self.STATES}
        counter("arrivals_dropped_total", edge)
        for fault in ("lost", "damaged"):
            counter("frames_resent_total", edge, fault)
        counter("batteries_empty_total", edge)
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

    def checked(self, kind: str, psnr_db: float | None, ssim: float | None) -> None:
        """A reused picture was compared with the same without reuse."""
        if psnr_db is not None:
            histogram("reuse_psnr_db", self._edge, kind).observe(psnr_db)
        if ssim is not None:
            histogram("reuse_ssim", self._edge, kind).observe(ssim)

    def frame_fault(self, fault: str) -> None:
        """A frame came lost or damaged, so that it is sent again."""
        counter("frames_resent_total", self._edge, fault).inc()

    def battery_empty(self) -> None:
        """A device's battery is empty."""
        counter("batteries_empty_total", self._edge).inc()

    def ended(self, row: RequestRow) -> None:
        """One request ended, somehow; or was never sent."""
        if row.result == "dropped":
            counter("arrivals_dropped_total", self._edge).inc()
            return
        receiving = row.receive_joules or 0.0
        counter("device_joules_total", self._edge, "receiving").inc(receiving)
        counter("device_joules_total", self._edge, "computing").inc(
            max(0.0, (row.joules or 0.0) - receiving)
        )
        counter("requests_total", self._edge, self._policy, row.result, row.reuse or "none").inc()
        if row.arrival_late_s is not None:
            histogram("lateness_seconds", "arrival").observe(row.arrival_late_s)
        if row.result != "done":
            return
        for stage in STAGES:
            spent_s = getattr(row, f"{stage}_s")
            if spent_s is not None:  # nothing goes up where there is no start picture
                histogram("request_seconds", self._edge, stage).observe(spent_s)
        counter("frame_bytes_total", self._edge).inc(row.frame_bytes or 0)
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
