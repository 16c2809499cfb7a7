"""What edge and device say to each other, as protocol messages and back, field by field."""

from __future__ import annotations

from dataclasses import asdict
from typing import cast

from midstep.errors import FrameError, PromptError
from midstep.v1 import edge_pb2 as pb
from midstep.wire.frame import PAYLOAD_LIMIT, Frame
from midstep.wire.identity import PipelineIdentity
from midstep.wire.messages import (
    Answer,
    Description,
    Quality,
    QualitySample,
    Request,
    Reuse,
)

__all__ = [
    "ID_LIMIT",
    "answer_from",
    "answer_to",
    "description_from",
    "description_to",
    "frame_from",
    "frame_to",
    "request_from",
    "request_to",
    "sample_from",
    "sample_to",
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
        kind=value.kind,
        quality=None if value.quality is None else pb.Quality(**asdict(value.quality)),
        negative=value.negative,
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
        kind=message.kind,
        quality=_quality_from(message.quality) if message.HasField("quality") else None,
        negative=message.negative,
    )


def answer_to(value: Answer) -> pb.OutputReply:
    return pb.OutputReply(
        frame=None if value.frame is None else frame_to(value.frame),
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
        donor_key=value.donor_key,
        donor_prompt=value.donor_prompt,
        likeness=value.likeness,
        check=value.check,
        from_edge=value.from_edge,
        backhaul_seconds=value.backhaul_s,
        backhaul_bytes=value.backhaul_bytes,
    )


def answer_from(message: pb.OutputReply) -> Answer:
    """Raises FrameError for a payload above the limit; the content is checked by Frame.verify."""
    return Answer(
        frame=frame_from(message.frame) if message.HasField("frame") else None,
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
        donor_key=message.donor_key,
        donor_prompt=message.donor_prompt if message.HasField("donor_prompt") else None,
        likeness=message.likeness,
        check=message.check,
        from_edge=message.from_edge,
        backhaul_s=message.backhaul_seconds,
        backhaul_bytes=message.backhaul_bytes,
    )


def sample_to(value: QualitySample) -> pb.QualitySample:
    return pb.QualitySample(
        request_id=value.request_id,
        kind=value.kind,
        step=value.step,
        quality=pb.Quality(**asdict(value.quality)),
        good=value.good,
    )


def sample_from(message: pb.QualitySample) -> QualitySample:
    return QualitySample(
        request_id=message.request_id,
        kind=message.kind,
        step=message.step,
        quality=_quality_from(message.quality),
        good=message.good,
    )


def _quality_from(message: pb.Quality) -> Quality:
    return Quality(metric=message.metric, floor=message.floor, share=message.share)


def frame_to(value: Frame) -> pb.Frame:
    return pb.Frame(
        pipeline=value.pipeline,
        prompt_key=value.prompt_key,
        step=value.step,
        steps=value.steps,
        payload=value.payload,
        checksum=value.checksum,
    )


def frame_from(message: pb.Frame) -> Frame:
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
