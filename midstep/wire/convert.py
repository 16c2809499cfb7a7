"""Plain values to protocol messages and back, field by field."""

from __future__ import annotations

from dataclasses import asdict
from typing import cast

from midstep.errors import FrameError, PromptError
from midstep.v1 import edge_pb2 as pb
from midstep.wire.frame import PAYLOAD_LIMIT, Frame
from midstep.wire.identity import PipelineIdentity
from midstep.wire.messages import (
    Access,
    Answer,
    CachedOutput,
    CacheSnapshot,
    CacheUpdate,
    CacheUpdateResult,
    Demand,
    Description,
    EdgeWork,
    Eviction,
    PlannedStep,
    Request,
    Reuse,
    SlotPlan,
    Targets,
)

__all__ = [
    "ID_LIMIT",
    "access_from",
    "access_to",
    "answer_from",
    "answer_to",
    "demand_from",
    "demand_to",
    "description_from",
    "description_to",
    "plan_from",
    "plan_to",
    "request_from",
    "request_to",
    "result_from",
    "result_to",
    "snapshot_from",
    "snapshot_to",
    "update_from",
    "update_to",
]

ID_LIMIT = 200  # characters of a request's id, which accesses and records carry on


def description_to(value: Description) -> pb.Description:
    return pb.Description(
        edge=value.edge,
        pipeline=pb.Pipeline(**asdict(value.pipeline)),
        split_step=value.split_step,
        scenario_seed=value.scenario_seed,
        step_seconds=value.step_s,
        decode_seconds=value.decode_s,
        process_id=value.process_id,
        tick_seconds=value.tick_s,
        whole_prompt=value.whole_prompt,
    )


def description_from(message: pb.Description) -> Description:
    pipeline = message.pipeline
    names = [field.name for field in pipeline.DESCRIPTOR.fields]
    return Description(
        edge=message.edge,
        pipeline=PipelineIdentity(**{name: getattr(pipeline, name) for name in names}),
        split_step=message.split_step,
        scenario_seed=message.scenario_seed,
        step_s=message.step_seconds,
        decode_s=message.decode_seconds,
        process_id=message.process_id,
        tick_s=tuple(message.tick_seconds),
        whole_prompt=message.whole_prompt,
    )


def request_to(value: Request) -> pb.OutputRequest:
    return pb.OutputRequest(
        request_id=value.request_id,
        prompt=value.prompt,
        pipeline=value.pipeline,
        limit=value.limit,
        private_seed=value.private_seed,
        user=value.user,
        rate_bps=value.rate_bps,
        step_seconds=value.step_s,
        backlog_seconds=value.backlog_s,
    )


def request_from(message: pb.OutputRequest) -> Request:
    """Raises PromptError for a name that would fill the edge's memory; the rest the edge checks."""
    if len(message.request_id) > ID_LIMIT:
        raise PromptError(
            f"the request's id has {len(message.request_id)} characters, the limit is {ID_LIMIT}"
        )
    return Request(
        request_id=message.request_id,
        prompt=message.prompt,
        pipeline=message.pipeline,
        limit=message.limit,
        private_seed=message.private_seed if message.HasField("private_seed") else None,
        user=message.user,
        rate_bps=message.rate_bps,
        step_s=message.step_seconds,
        backlog_s=message.backlog_seconds,
    )


def answer_to(value: Answer) -> pb.OutputReply:
    return pb.OutputReply(
        frame=None if value.frame is None else _frame_to(value.frame),
        reuse=value.reuse,
        similarity=value.similarity,
        edge_steps=value.edge_steps,
        saved_steps=value.saved_steps,
        queue_seconds=value.queue_s,
        edge_seconds=value.edge_s,
        seed=value.seed,
        truncated=value.truncated,
        reused_step=value.reused_step,
        plan_wait_seconds=value.plan_wait_s,
    )


def answer_from(message: pb.OutputReply) -> Answer:
    """Raises FrameError for a payload above the limit; the content is checked by Frame.verify."""
    return Answer(
        frame=_frame_from(message.frame) if message.HasField("frame") else None,
        reuse=cast(Reuse, message.reuse),
        similarity=message.similarity,
        edge_steps=message.edge_steps,
        saved_steps=message.saved_steps,
        queue_s=message.queue_seconds,
        edge_s=message.edge_seconds,
        seed=message.seed,
        truncated=message.truncated,
        reused_step=message.reused_step,
        plan_wait_s=message.plan_wait_seconds,
    )


def _frame_to(value: Frame) -> pb.Frame:
    return pb.Frame(
        pipeline=value.pipeline,
        prompt_key=value.prompt_key,
        step=value.step,
        steps=value.steps,
        payload=value.payload,
        checksum=value.checksum,
    )


def _frame_from(message: pb.Frame) -> Frame:
    """Raises FrameError for a payload above the limit."""
    size = len(message.payload)
    if size > PAYLOAD_LIMIT:
        raise FrameError(f"the frame has {size} bytes, the limit is {PAYLOAD_LIMIT}")
    return Frame(
        message.pipeline,
        message.prompt_key,
        message.step,
        message.steps,
        message.payload,
        message.checksum,
    )


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
    )


def snapshot_from(message: pb.ContentsReply) -> CacheSnapshot:
    return CacheSnapshot(
        store=tuple(_output_from(output) for output in message.store),
        staging=tuple(_output_from(output) for output in message.staging),
        capacity=message.capacity_bytes,
        store_bytes=message.store_bytes,
        staging_bytes=message.staging_bytes,
        work=_work_from(message.work) if message.HasField("work") else None,
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
