"""A band that those who receive share, against cases by hand; and that no bit is lost."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstep.radio.shared_band import SMOOTHING, Passage, SharedBand

HZ = 1e6


def flat(bits_s_hz: float) -> Callable[[int], float]:
    return lambda _: bits_s_hz


def frame(user: int, bits: float, efficiency: float = 1.0, parallel: bool = False) -> Passage:
    return Passage(user=user, left=bits, efficiency=flat(efficiency), parallel=parallel)


def test_two_equal_receivers_take_twice_as_long() -> None:
    band = SharedBand(HZ, 10.0)
    first, second = frame(0, 1e6), frame(1, 1e6)
    assert band.begin(first, 0.0) == [] and band.begin(second, 0.0) == []
    assert band.next_change_s() == 2.0
    assert band.advance(3.0) == [first, second]
    assert first.ended_s == second.ended_s == 2.0 and band.receivers == 0


def test_who_joins_half_way_halves_the_rest() -> None:
    """Alone for 1 s: half of 2 Mbit is left, which takes 2 s at half of the band. Then the other
    has 1 Mbit left, alone."""
    band = SharedBand(HZ, 10.0)
    first, second = frame(0, 2e6), frame(1, 2e6)
    band.begin(first, 0.0)
    band.begin(second, 1.0)
    assert band.advance(9.0) == [first, second]
    assert (first.ended_s, second.ended_s) == pytest.approx((3.0, 4.0))


def test_a_fade_changes_at_the_slots_boundary() -> None:
    """Slot 0 has 1 (bit/s)/Hz, slot 1 has 4: 1 Mbit of 3 passes in the first, the rest in 0.5 s."""
    band = SharedBand(HZ, 1.0)
    passage = Passage(user=0, left=3e6, efficiency=lambda slot: (1.0, 4.0)[slot])
    band.begin(passage, 0.0)
    assert band.next_change_s() == 1.0
    assert band.advance(1.2) == [] and band.advance(2.0) == [passage]
    assert passage.ended_s == pytest.approx(1.5)


def test_a_users_own_frames_pass_one_by_one_or_side_by_side() -> None:
    band = SharedBand(HZ, 10.0)
    serial = [frame(0, 1e6), frame(0, 1e6)]
    other = frame(1, 3e6)
    for passage in (*serial, other):
        band.begin(passage, 0.0)
    band.advance(9.0)
    assert [passage.ended_s for passage in serial] == [2.0, 4.0]
    assert serial[1].begins_s == 2.0 and other.ended_s == 5.0
    band = SharedBand(HZ, 10.0)
    abreast = [frame(0, 1e6, parallel=True), frame(0, 1e6, parallel=True)]
    other = frame(1, 3e6)
    for passage in (*abreast, other):
        band.begin(passage, 0.0)
    band.advance(9.0)
    assert [passage.ended_s for passage in abreast] == [2.0, 2.0] and other.ended_s == 4.0


def test_who_leaves_gives_its_share_back() -> None:
    band = SharedBand(HZ, 10.0)
    first, second = frame(0, 2e6), frame(1, 2e6)
    band.begin(first, 0.0)
    band.begin(second, 0.0)
    assert band.leave(second, 1.0) == []
    assert band.advance(9.0) == [first] and first.ended_s == pytest.approx(2.5)
    assert second.ended_s is None


def test_a_slots_mean_is_over_the_time_in_which_anybody_received() -> None:
    band = SharedBand(HZ, 1.0)
    assert band.mean_receivers == 1
    for user in range(4):
        band.begin(frame(user, 5e4), 0.1)
    band.begin(frame(4, 1e5), 0.5)  # alone: 0.2 s of four and 0.1 s of one
    band.advance(0.9)
    assert band.mean_receivers == 1  # the slot goes on
    band.advance(1.0)
    assert band.mean_receivers == pytest.approx(3.0)


def test_the_mean_of_receivers_forgets_slowly_whether_slots_are_passed_or_skipped() -> None:
    passed, skipped = SharedBand(HZ, 1.0), SharedBand(HZ, 1.0)
    for band in (passed, skipped):
        for user in range(4):
            band.begin(frame(user, 5e4), 0.0)
        band.advance(1.0)
        assert band.mean_receivers == pytest.approx(4.0)
    for slot in range(2, 6):
        passed.advance(float(slot))
    skipped.advance(5.0)
    assert passed.mean_receivers == pytest.approx(4.0 * (1 - SMOOTHING) ** 4)
    assert skipped.mean_receivers == pytest.approx(passed.mean_receivers)


@given(
    frames=st.lists(
        st.tuples(
            st.floats(0, 5),  # when
            st.integers(0, 3),  # whose
            st.floats(1e3, 1e6),  # bits
            st.floats(0.05, 20),  # (bit/s)/Hz in even slots
        ),
        min_size=1,
        max_size=12,
    ),
    tau=st.sampled_from([0.1, 0.3, 1.0]),
    looks=st.lists(st.floats(0, 8), max_size=6),
)
def test_bits_are_kept_and_looking_changes_nothing(
    frames: list[tuple[float, int, float, float]], tau: float, looks: list[float]
) -> None:
    """Where every link has the same efficiency, the band passes W times it a second while anybody
    receives: its work is kept, whoever shares it. And each frame's end is the same however often
    somebody looks."""

    def play(alike: bool, also: list[float]) -> list[Passage]:
        band = SharedBand(HZ, tau)
        passages: list[Passage] = []
        events = sorted([(at, 0, one) for at, *one in frames] + [(at, 1, []) for at in also])
        for at_s, kind, one in events:
            if kind:
                band.advance(at_s)
                continue
            user, bits, best = one
            fading = lambda slot, best=best: best / (1 + slot % 2)  # noqa: E731
            efficiency = flat(2.0) if alike else fading
            passages.append(Passage(user=int(user), left=bits, efficiency=efficiency))
            band.begin(passages[-1], at_s)
        while (change_s := band.next_change_s()) is not None:
            band.advance(change_s)
        return passages

    passages = play(True, [])
    busy_until_s = 0.0
    for at_s, _, bits, _ in sorted(frames, key=lambda one: one[0]):
        busy_until_s = max(busy_until_s, at_s) + bits / (2.0 * HZ)
    last_s = max(passage.ended_s or 0.0 for passage in passages)
    assert last_s == pytest.approx(busy_until_s, rel=1e-9)
    for passage in passages:
        assert passage.left == 0 and passage.begins_s is not None and passage.ended_s is not None
        assert passage.asked_s <= passage.begins_s <= passage.ended_s < math.inf
    plain = play(False, [])
    looked = play(False, looks)
    for one, other in zip(plain, looked, strict=True):
        assert one.ended_s == pytest.approx(other.ended_s, rel=1e-9)
