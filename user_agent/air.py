"""What happens to a frame on the air: it is lost, bits of it are flipped, or it comes whole."""

from __future__ import annotations

import math
import zlib
from dataclasses import replace

from midstep.draws import AIR, BIT_ERRORS, generator, uniform
from midstep.errors import FrameError
from midstep.radio.conditions import Conditions
from midstep.wire.frame import Frame

__all__ = ["Air"]

WORD = 32  # bits of a request's digest


class Air:
    """The air between an edge and one device. What it does to a frame depends on the seed, the
    request and on how many times the frame was sent before: not on when."""

    def __init__(self, conditions: Conditions, seed: int, user: int) -> None:
        self._conditions = conditions
        self._seed = seed
        self._user = user

    @property
    def clear(self) -> bool:
        """Whether every frame comes whole."""
        return self._conditions.bit_error_rate == 0 and self._conditions.frame_loss == 0

    def fault(self, frame: Frame, nbytes: int, request_id: str, resent: int) -> str | None:
        """What was wrong with a frame of `nbytes` on the air that has been sent again `resent`
        times: `lost`, `damaged`, or None where it came whole."""
        if self.clear:
            return None
        place = zlib.crc32(request_id.encode())
        if self._draw(place, 2 * resent) < self._conditions.frame_loss:
            return "lost"
        rate = self._conditions.bit_error_rate
        if self._draw(place, 2 * resent + 1) >= _any_of(8 * nbytes, rate):
            return None
        # really flipped: what finds it is the checksum, not this draw
        received = self._flip(frame, rate, place, resent)
        try:
            received.verify(received.pipeline, received.prompt_key)
        except FrameError:
            return "damaged"
        return None

    def _draw(self, place: int, number: int) -> float:
        return uniform(self._seed, AIR, place, self._user, number)

    def _flip(self, frame: Frame, rate: float, place: int, resent: int) -> Frame:
        """The frame with bits of its payload flipped, one at least."""
        rng = generator(self._seed, BIT_ERRORS, place | resent << WORD)
        payload = bytearray(frame.payload)
        bits = 8 * len(payload)
        for bit in rng.choice(bits, max(1, rng.binomial(bits, rate)), replace=False):
            payload[bit >> 3] ^= 1 << (bit & 7)
        return replace(frame, payload=bytes(payload))


def _any_of(bits: int, rate: float) -> float:
    """Probability that at least one of so many bits is wrong."""
    return 1.0 if rate == 1 else -math.expm1(bits * math.log1p(-rate))
