"""What edges say to each other, as protocol messages and back."""

from __future__ import annotations

from midstep.v1 import edge_pb2 as pb
from midstep.wire.convert import frame_from, frame_to
from midstep.wire.messages_neighbours import Digest, LentOutput

__all__ = ["digest_from", "digest_to", "lent_from", "lent_to"]


def digest_to(value: Digest) -> pb.DigestReply:
    if value.held is None:
        return pb.DigestReply(state=value.state)
    outputs = [pb.Admission(prompt_key=key, step=step) for key, step in value.held]
    return pb.DigestReply(state=value.state, held=pb.OutputNames(outputs=outputs))


def digest_from(message: pb.DigestReply) -> Digest:
    if not message.HasField("held"):
        return Digest(state=message.state, held=None)
    held = tuple((one.prompt_key, one.step) for one in message.held.outputs)
    return Digest(state=message.state, held=held)


def lent_to(value: LentOutput | None) -> pb.LendReply:
    if value is None:
        return pb.LendReply()
    return pb.LendReply(frame=frame_to(value.frame), truncated=value.truncated)


def lent_from(message: pb.LendReply) -> LentOutput | None:
    """Raises FrameError for a payload above the limit; the content is checked by Frame.verify."""
    if not message.HasField("frame"):
        return None
    return LentOutput(frame=frame_from(message.frame), truncated=message.truncated)
