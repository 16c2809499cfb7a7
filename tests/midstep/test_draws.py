"""Random numbers by their place: plain numbers, arrays of them and bulk streams."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstep import draws

SEEDS = st.integers(0, 2**32 - 1)
WORDS = st.integers(0, 2**32 - 1)
KINDS = [name for name in draws.__all__ if name.isupper()]


@given(seed=SEEDS, kind=st.integers(1, 50), slot=st.integers(0, 2**40), first=WORDS, second=WORDS)
def test_arrays_hold_the_plain_numbers(
    seed: int, kind: int, slot: int, first: int, second: int
) -> None:
    plain = draws.uniform(seed, kind, slot, first, second)
    assert 0 <= plain < 1
    assert float(draws.uniforms(seed, kind, slot, first, second)) == plain
    many = draws.uniforms(seed, kind, np.array([slot, slot + 1])[:, None], first, [0, second])
    assert many.shape == (2, 2) and many[0, 1] == plain
    assert many[1, 0] == draws.uniform(seed, kind, slot + 1, first)


def test_every_part_of_a_place_matters() -> None:
    places = [
        (7, 1, 0, 0, 0),
        (8, 1, 0, 0, 0),
        (7, 2, 0, 0, 0),
        (7, 1, 1, 0, 0),
        (7, 1, 0, 1, 0),
        (7, 1, 0, 0, 1),
    ]
    assert len({draws.uniform(*place) for place in places}) == len(places)


def test_numbers_are_uniform_and_neighbours_independent() -> None:
    grid = draws.uniforms(3, draws.GAIN, np.arange(200)[:, None], np.arange(100))
    counts = np.histogram(grid, 20, (0, 1))[0]
    # chi-squared with 19 degrees of freedom: 43.8 is its 99.9th percentile
    assert ((counts - 1000) ** 2 / 1000).sum() < 43.8
    for one, other in [(grid[1:], grid[:-1]), (grid[:, 1:], grid[:, :-1])]:
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.025


@given(below=st.integers(1, 2**53), seed=SEEDS, slot=WORDS)
def test_whole_numbers_stay_below_their_bound(below: int, seed: int, slot: int) -> None:
    assert 0 <= draws.integer(below, seed, draws.ENDING, slot) < below


def test_a_stream_belongs_to_its_seed_kind_and_slot() -> None:
    def first(seed: int, kind: int, slot: int) -> float:
        return float(draws.generator(seed, kind, slot).random())

    assert first(1, draws.BULK_DRIFT, 2) == first(1, draws.BULK_DRIFT, 2)
    others = {
        first(2, draws.BULK_DRIFT, 2),
        first(1, draws.BULK_START, 2),
        first(1, draws.BULK_DRIFT, 3),
    }
    assert first(1, draws.BULK_DRIFT, 2) not in others and len(others) == 3


def test_no_two_uses_share_a_kind() -> None:
    assert len({getattr(draws, name) for name in KINDS}) == len(KINDS) > 20


@pytest.mark.parametrize("module", ["midstep.draws", "midstep.radio.fading"])
def test_a_paced_host_starts_without_a_compiler(module: str) -> None:
    code = f"import sys, {module}; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
