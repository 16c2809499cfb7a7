"""`midstep.draws` in compiled code, for kernels over many lanes: the same numbers, bit for bit.
Importing this compiles; import it where it is used."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

__all__ = ["grid", "key", "mix", "uniform"]


@njit(cache=True, inline="always")
def mix(z: Any) -> Any:
    """splitmix64's finaliser."""
    z = np.uint64(z) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit(cache=True)
def key(seed: int, kind: int, slot: int, first: int) -> Any:
    """The part of the hash that the numbers of one place share: `mix(key ^ second)` is 64 random
    bits."""
    z = mix(np.uint64(seed) * np.uint64(0x9E3779B1) + np.uint64(kind))
    return mix(z ^ np.uint64(slot)) ^ (np.uint64(first) << np.uint64(32))


@njit(cache=True)
def uniform(seed: int, kind: int, slot: int, first: int, second: int) -> float:
    """One number in [0, 1) at a place."""
    z = mix(key(seed, kind, slot, first) ^ np.uint64(second))
    return float(z >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@njit(cache=True)
def grid(seeds: Any, kind: int, start: int, out: Any) -> None:
    """Fill `out` (B, T, U) with the numbers of slots start..start+T-1 for users 0..U-1."""
    lanes, slots, users = out.shape
    for b in range(lanes):
        for t in range(slots):
            for u in range(users):
                out[b, t, u] = uniform(seeds[b], kind, start + t, u, 0)
