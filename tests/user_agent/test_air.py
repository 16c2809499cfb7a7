"""Frames on the air: lost, damaged, or whole; by the seed alone."""

from __future__ import annotations

from collections import Counter

import pytest

from midstep.errors import FrameError
from midstep.events.changes import DeviceChange
from midstep.radio.conditions import Conditions
from midstep.wire.frame import Frame
from user_agent.air import Air

FRAME = Frame.seal("p", "k", 3, 10, bytes(range(256)) * 8)
BITS = 8 * FRAME.nbytes


def air_of(seed: int = 7, **changes: float) -> Air:
    conditions = Conditions(100.0, 1.0)
    conditions.change(DeviceChange(**changes), 0.0)  # type: ignore[arg-type]
    return Air(conditions, seed, user=3)


def faults(air: Air, number: int = 2000) -> list[str | None]:
    return [air.fault(FRAME, FRAME.nbytes, f"r-{n // 2}", n % 2) for n in range(number)]


def test_clear_air_takes_nothing() -> None:
    assert set(faults(air_of())) == {None}


def test_as_many_frames_are_lost_and_damaged_as_is_said() -> None:
    rate = 1e-5
    counts = Counter(faults(air_of(frame_loss=0.2, bit_error_rate=rate)))
    assert counts["lost"] / 2000 == pytest.approx(0.2, abs=0.03)
    damaged = 0.8 * (1 - (1 - rate) ** BITS)
    assert counts["damaged"] / 2000 == pytest.approx(damaged, abs=0.03)


def test_what_happens_is_of_the_seed_the_request_and_the_attempt() -> None:
    assert faults(air_of(frame_loss=0.5), 50) == faults(air_of(frame_loss=0.5), 50)
    assert faults(air_of(frame_loss=0.5), 50) != faults(air_of(seed=8, frame_loss=0.5), 50)
    both = list(zip(*[iter(faults(air_of(frame_loss=0.5), 50))] * 2, strict=True))
    assert any(first != second for first, second in both)


def test_bits_are_flipped_and_the_checksum_finds_them(monkeypatch: pytest.MonkeyPatch) -> None:
    received: list[Frame] = []
    verify = Frame.verify

    def watched(frame: Frame, pipeline: str, prompt_key: str) -> None:
        received.append(frame)
        verify(frame, pipeline, prompt_key)

    monkeypatch.setattr(Frame, "verify", watched)
    assert set(faults(air_of(bit_error_rate=0.001), 20)) == {"damaged"}
    assert len(received) == 20 and len({frame.payload for frame in received}) == 20
    for frame in received:
        pairs = zip(frame.payload, FRAME.payload, strict=True)
        flipped = sum((a ^ b).bit_count() for a, b in pairs)
        assert 1 <= flipped <= 0.005 * BITS
        with pytest.raises(FrameError, match="its checksum differs"):
            verify(frame, "p", "k")
