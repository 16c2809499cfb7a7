"""Frames and their payloads."""

from __future__ import annotations

from pathlib import Path
from random import Random

import torch
from google.protobuf.message import DecodeError

from midstep.diffusion.payload import Payload, pack, unpack
from midstep.errors import FrameError
from midstep.v1 import edge_pb2 as pb
from midstep.wire.convert import answer_from, answer_to
from midstep.wire.frame import Frame
from midstep.wire.messages import Answer
from tests.fuzz.kind import Fault, Kind
from tests.fuzz.mutation import damaged

__all__ = ["Frames"]

SHAPE = (1, 4, 8, 8)


class Frames(Kind):
    """An edge's answer with damage in its bytes, or a payload with damage behind a checksum that is
    right: a hostile edge's."""

    name = "frames"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        solver = {"order": 2, "outputs": [torch.zeros(SHAPE), None], "name": "ddim"}
        rng = torch.zeros(16, dtype=torch.uint8)
        self._payloads = [
            pack(Payload(torch.ones(SHAPE), solver, rng)),
            pack(Payload(torch.ones(SHAPE), solver), "int8"),
        ]

    def one(self, rng: Random) -> None:
        """Unpack one."""
        payload = rng.choice(self._payloads)
        hostile = rng.random() < 0.6
        if hostile:
            payload = damaged(payload, rng)
        frame = Frame.seal("p" * 64, "k" * 64, 6, 20, payload)
        message = answer_to(_answer(frame)).SerializeToString()
        try:
            received = answer_from(
                pb.OutputReply.FromString(message if hostile else damaged(message, rng))
            )
        except DecodeError as error:  # gRPC refuses it
            raise FrameError("no message") from error
        if received.frame is None:
            raise FrameError("no frame")
        received.frame.verify("p" * 64, "k" * 64)
        if not hostile and received.frame != frame:
            raise Fault("a damaged frame was believed")
        unpack(received.frame.payload, SHAPE)


def _answer(frame: Frame) -> Answer:
    return Answer(
        frame=frame,
        reuse="computed",
        similarity=1.0,
        edge_steps=6,
        saved_steps=0,
        queue_s=0.0,
        edge_s=0.1,
        seed=7,
        truncated=False,
    )
