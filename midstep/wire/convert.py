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
    Description,
    Request,
    Reuse,
)

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
    )


def description_from(message: pb.Description) -> Description:
    pipeline = message.pipeline
    identity = PipelineIdentity(
        **{f.name: getattr(pipeline, f.name) for f in pipeline.DESCRIPTOR.fields}
    )
    return Description(
        message.edge,
        identity,
        message.split_step,
        message.scenario_seed,
        message.step_seconds,
        message.decode_seconds,
        message.process_id,
    )


def request_to(value: Request) -> pb.OutputRequest:
    return pb.OutputRequest(
        request_id=value.request_id,
        prompt=value.prompt,
        pipeline=value.pipeline,
        steps=value.steps,
        private_seed=value.private_seed,
    )


def request_from(message: pb.OutputRequest) -> Request:
    """Raises PromptError for a name that would fill the edge's memory; the rest the edge checks."""
    if len(message.request_id) > ID_LIMIT:
        raise PromptError(
            f"the request's id has {len(message.request_id)} characters, the limit is {ID_LIMIT}"
        )
    private = message.private_seed if message.HasField("private_seed") else None
    return Request(message.request_id, message.prompt, message.pipeline, message.steps, private)


def answer_to(value: Answer) -> pb.OutputReply:
    f = value.frame
    return pb.OutputReply(
        frame=pb.Frame(
            pipeline=f.pipeline,
            prompt_key=f.prompt_key,
            step=f.step,
            steps=f.steps,
            payload=f.payload,
            checksum=f.checksum,
        ),
        reuse=value.reuse,
        similarity=value.similarity,
        edge_steps=value.edge_steps,
        saved_steps=value.saved_steps,
        queue_seconds=value.queue_s,
        edge_seconds=value.edge_s,
        seed=value.seed,
        truncated=value.truncated,
    )


def answer_from(message: pb.OutputReply) -> Answer:
    """Raises FrameError for a payload above the limit; the content is checked by Frame.verify."""
    f = message.frame
    if len(f.payload) > PAYLOAD_LIMIT:
        raise FrameError(f"the frame has {len(f.payload)} bytes, the limit is {PAYLOAD_LIMIT}")
    return Answer(
        Frame(f.pipeline, f.prompt_key, f.step, f.steps, f.payload, f.checksum),
        cast(Reuse, message.reuse),
        message.similarity,
        message.edge_steps,
        message.saved_steps,
        message.queue_seconds,
        message.edge_seconds,
        message.seed,
        message.truncated,
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
    )


def access_from(message: pb.Access) -> Access:
    return Access(
        message.request_id,
        message.prompt_key,
        message.prompt,
        message.step,
        message.bytes,
        cast(Reuse, message.reuse),
        message.at_seconds,
        message.edge_seconds,
    )


def update_to(value: CacheUpdate) -> pb.Edit:
    return pb.Edit(
        admit=[pb.Admission(prompt_key=k, step=s) for k, s in value.admit], evict=list(value.evict)
    )


def update_from(message: pb.Edit) -> CacheUpdate:
    return CacheUpdate(tuple((a.prompt_key, a.step) for a in message.admit), tuple(message.evict))


def result_to(value: CacheUpdateResult) -> pb.EditResult:
    return pb.EditResult(admitted=value.admitted, evicted=value.evicted, refused=value.refused)


def result_from(message: pb.EditResult) -> CacheUpdateResult:
    return CacheUpdateResult(message.admitted, message.evicted, message.refused)


def snapshot_to(value: CacheSnapshot) -> pb.ContentsReply:
    return pb.ContentsReply(
        store=[_held_to(h) for h in value.store],
        staging=[_held_to(h) for h in value.staging],
        capacity_bytes=value.capacity,
        store_bytes=value.store_bytes,
        staging_bytes=value.staging_bytes,
    )


def snapshot_from(message: pb.ContentsReply) -> CacheSnapshot:
    store, staging = (
        tuple(_held_from(h) for h in side) for side in (message.store, message.staging)
    )
    return CacheSnapshot(
        store, staging, message.capacity_bytes, message.store_bytes, message.staging_bytes
    )


def _held_to(value: CachedOutput) -> pb.Held:
    return pb.Held(
        prompt_key=value.prompt_key, prompt=value.prompt, step=value.step, bytes=value.nbytes
    )


def _held_from(message: pb.Held) -> CachedOutput:
    return CachedOutput(message.prompt_key, message.prompt, message.step, message.bytes)
