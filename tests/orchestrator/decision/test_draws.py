"""Compiled draws are midstep's, bit for bit."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from midstep import draws
from orchestrator.decision import draws as compiled

WORDS = st.integers(0, 2**32 - 1)


@settings(deadline=None)  # the first call compiles
@given(
    seed=st.integers(0, 2**63 - 1),
    kind=st.integers(1, 200),
    slot=st.integers(0, 2**62),
    first=WORDS,
    second=WORDS,
)
def test_a_place_has_one_number(seed: int, kind: int, slot: int, first: int, second: int) -> None:
    plain = draws.uniform(seed, kind, slot, first, second)
    assert compiled.uniform(seed, kind, slot, first, second) == plain


@settings(deadline=None)  # the first call compiles
@given(seed=WORDS, start=WORDS)
def test_a_grid_is_made_of_them(seed: int, start: int) -> None:
    seeds = np.array([seed, 5])
    grid = np.empty((2, 3, 4))
    compiled.grid(seeds, draws.SPEED, start, grid)
    slots = start + np.arange(3)
    plain = draws.uniforms(seeds[:, None, None], draws.SPEED, slots[:, None], np.arange(4))
    np.testing.assert_array_equal(grid, plain)
