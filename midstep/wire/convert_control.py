"""What edge and learner say to each other, as protocol messages and back, field by field."""

from __future__ import annotations

from dataclasses import asdict
from typing import cast

from midstep.v1 import edge_pb2 as pb
from midstep.wire.messages import Reuse
from midstep.wire.messages_control import (
    Access,
    CachedOutput,
    CacheSnapshot,
    CacheUpdate,
    CacheUpdateResult,
    Demand,
    EdgeWork,
    Eviction,
    Neighbouring,
    PlannedStep,
    SlotPlan,
    Targets,
)

__all__ = [
    "access_from",
    "access_to",
    "demand_from",
    "demand_to",
    "plan_from",
    "plan_to",
    "result_from",
    "result_to",
    "snapshot_from",
    "snapshot_to",
    "update_from",
    "update_to",
]


def access_to(value: Access) -> pb.Access:
    return pb.Access(
        request_id=value.request_id,
        prompt_key=value.prompt_key,
        prompt=value.prompt,
        step=value.step,
        bytes=value.nbytes,
        reuse=value.reuse,
        at_seconds=value.at_s,
        edge_seconds=value.edge_s,
        user=value.user,
        limit=value.limit,
        edge_steps=value.edge_steps,
        reused_step=value.reused_step,
        rate_bps=value.rate_bps,
        step_seconds=value.step_s,
        backlog_seconds=value.backlog_s,
        donor_key=value.donor_key,
        likeness=value.likeness,
        staged=value.staged,
        from_edge=value.from_edge,
    )


def access_from(message: pb.Access) -> Access:
    return Access(
        request_id=message.request_id,
        prompt_key=message.prompt_key,
        prompt=message.prompt,
        step=message.step,
        nbytes=message.bytes,
        reuse=cast(Reuse, message.reuse),
        at_s=message.at_seconds,
        edge_s=message.edge_seconds,
        user=message.user,
        limit=message.limit,
        edge_steps=message.edge_steps,
        reused_step=message.reused_step,
        rate_bps=message.rate_bps,
        step_s=message.step_seconds,
        backlog_s=message.backlog_seconds,
        donor_key=message.donor_key,
        likeness=message.likeness,
        staged=message.staged,
        from_edge=message.from_edge,
    )


def update_to(value: CacheUpdate) -> pb.Edit:
    return pb.Edit(
        admit=[pb.Admission(prompt_key=key, step=step) for key, step in value.admit],
        evict=[_eviction_to(eviction) for eviction in value.evict],
        targets=None if value.targets is None else _targets_to(value.targets),
    )


def update_from(message: pb.Edit) -> CacheUpdate:
    admit = tuple((admission.prompt_key, admission.step) for admission in message.admit)
    evict = tuple(_eviction_from(eviction) for eviction in message.evict)
    targets = _targets_from(message.targets) if message.HasField("targets") else None
    return CacheUpdate(admit, evict, targets)


def _eviction_to(value: Eviction) -> pb.Eviction:
    if isinstance(value, str):
        return pb.Eviction(prompt_key=value)
    key, step = value
    return pb.Eviction(prompt_key=key, step=step)


def _eviction_from(message: pb.Eviction) -> Eviction:
    if not message.HasField("step"):
        return message.prompt_key
    return message.prompt_key, message.step


def _targets_to(value: Targets) -> pb.Targets:
    return pb.Targets(
        steps=[pb.Admission(prompt_key=key, step=step) for key, step in value.steps],
        step_price_seconds=value.step_price_s,
    )


def _targets_from(message: pb.Targets) -> Targets:
    steps = tuple((admission.prompt_key, admission.step) for admission in message.steps)
    return Targets(steps, message.step_price_seconds)


def result_to(value: CacheUpdateResult) -> pb.EditResult:
    return pb.EditResult(admitted=value.admitted, evicted=value.evicted, refused=value.refused)


def result_from(message: pb.EditResult) -> CacheUpdateResult:
    return CacheUpdateResult(message.admitted, message.evicted, message.refused)


def snapshot_to(value: CacheSnapshot) -> pb.ContentsReply:
    return pb.ContentsReply(
        store=[_output_to(output) for output in value.store],
        staging=[_output_to(output) for output in value.staging],
        capacity_bytes=value.capacity,
        store_bytes=value.store_bytes,
        staging_bytes=value.staging_bytes,
        work=None if value.work is None else _work_to(value.work),
        neighbours=[pb.Neighbouring(**asdict(one)) for one in value.neighbours],
        fetch_seconds=value.fetch_s,
    )


def snapshot_from(message: pb.ContentsReply) -> CacheSnapshot:
    return CacheSnapshot(
        store=tuple(_output_from(output) for output in message.store),
        staging=tuple(_output_from(output) for output in message.staging),
        capacity=message.capacity_bytes,
        store_bytes=message.store_bytes,
        staging_bytes=message.staging_bytes,
        work=_work_from(message.work) if message.HasField("work") else None,
        neighbours=tuple(
            Neighbouring(one.edge, one.prompt_key, one.step, one.keeps)
            for one in message.neighbours
        ),
        fetch_s=message.fetch_seconds,
    )


def demand_to(value: Demand) -> pb.Demand:
    return pb.Demand(
        request_id=value.request_id,
        prompt_key=value.prompt_key,
        prompt=value.prompt,
        user=value.user,
        limit=value.limit,
        rate_bps=value.rate_bps,
        step_seconds=value.step_s,
    )


def demand_from(message: pb.Demand) -> Demand:
    return Demand(
        request_id=message.request_id,
        prompt_key=message.prompt_key,
        prompt=message.prompt,
        user=message.user,
        limit=message.limit,
        rate_bps=message.rate_bps,
        step_s=message.step_seconds,
    )


def plan_to(value: SlotPlan) -> pb.SlotPlan:
    return pb.SlotPlan(
        slot=value.slot,
        steps=[
            pb.PlannedStep(prompt_key=one.prompt_key, step=one.step, from_store=one.from_store)
            for one in value.steps
        ],
    )


def plan_from(message: pb.SlotPlan) -> SlotPlan:
    steps = (
        PlannedStep(prompt_key=one.prompt_key, step=one.step, from_store=one.from_store)
        for one in message.steps
    )
    return SlotPlan(slot=message.slot, steps=tuple(steps))


def _work_to(value: EdgeWork) -> pb.Work:
    return pb.Work(
        at_seconds=value.at_s,
        busy_seconds=value.busy_s,
        ticks=value.ticks,
        steps=value.steps,
        queue=value.queue,
        in_flight=value.in_flight,
    )


def _work_from(message: pb.Work) -> EdgeWork:
    return EdgeWork(
        at_s=message.at_seconds,
        busy_s=message.busy_seconds,
        ticks=message.ticks,
        steps=message.steps,
        queue=message.queue,
        in_flight=message.in_flight,
    )


def _output_to(value: CachedOutput) -> pb.Held:
    return pb.Held(
        prompt_key=value.prompt_key, prompt=value.prompt, step=value.step, bytes=value.nbytes
    )


def _output_from(message: pb.Held) -> CachedOutput:
    return CachedOutput(message.prompt_key, message.prompt, message.step, message.bytes)
