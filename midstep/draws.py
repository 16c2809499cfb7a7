"""Random numbers by their place: one depends on the seed and on what it is for, never on who draws
first, on how many are drawn at once, or on which process draws.

Single numbers are splitmix64 used as a counter-based generator (Steele, Lea and Flood, OOPSLA
2014): `uniform` gives one, `uniforms` arrays of them, `orchestrator.decision.draws` the same ones
in compiled code. `generator` opens a stream for a slot that draws thousands. A kind says what a
number is for; no two uses share one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "AIR",
    "ANGLE",
    "BANDWIDTH",
    "BIT_ERRORS",
    "BULK_DRIFT",
    "BULK_FACTOR",
    "BULK_REQUEST",
    "BULK_SESSION",
    "BULK_START",
    "BURST",
    "CALIBRATION",
    "CHECK",
    "DRIFT",
    "ENDING",
    "EVENT",
    "EVENT_CHANCE",
    "EXPLORE",
    "GAIN",
    "HARD_PAIR",
    "OWN_ENDING",
    "PAUSE",
    "PLACE",
    "PLAIN",
    "PRIVATE",
    "PRIVATE_SEED",
    "PROMPT",
    "REQUEST",
    "SPEED",
    "START",
    "START_PICTURE",
    "THINNING",
    "TOLERANCE",
    "UPLINK_GAIN",
    "VARIATION",
    "VARIATION_SEED",
    "generator",
    "integer",
    "uniform",
    "uniforms",
]

# kinds of `uniform`, and where (slot, first, second) each is drawn
GAIN = 1  # slot, user: the fade of a link
SPEED = 2  # slot, user: a device's share of its top speed
BANDWIDTH = 3  # 0, user: a user's share of the spectrum
REQUEST = 4  # slot, user, try: the prompts of a slot in a closed catalogue
DRIFT = 5  # slot; 0: whether one swap more, 1 and 2 with a swap's number: the ranks it exchanges
TOLERANCE = 6  # slot, item: whether a cached step serves
EXPLORE = 7  # slot, candidate, item: the noise of DRC's candidates
PLACE = 8  # 0, user: where a device that comes later stands
PROMPT = 10  # index, user: the rank that a live user's request is for
PLAIN = 11  # index, user: whether nothing is added to the edge prompt
ENDING = 12  # index, user: which ending is added
VARIATION = 13  # index, user: whether the picture is varied
VARIATION_SEED = 14  # index, user
PRIVATE = 15  # index, user: whether the noise is the user's own
PRIVATE_SEED = 16  # index, user
PAUSE = 17  # index, user, candidate: the pause before a request
BURST = 18  # number of a stay: how long it is; 0, 1: whether the first is a burst
THINNING = 19  # index, user, candidate: whether an arrival at the peak's rate is one
CALIBRATION = 20  # pair, place: the noise that prompts share and the like (midstep calibrate)
CHECK = 22  # of a request's id: whether its picture is checked
EVENT_CHANCE = 23  # times before, place in the timeline: whether an event happens
HARD_PAIR = 24  # pair, place: what two prompts that differ in one attribute ask for
AIR = 25  # of a request's id, user, twice the times sent: whether a frame is lost; 1 more: damaged
ANGLE = 26  # 0, user: in which direction from its edge a device stands
START = 27  # index, user: whether the request begins from a picture
START_PICTURE = 28  # index, user: which
UPLINK_GAIN = 29  # slot, user: the fade of a link on the way up
OWN_ENDING = 30  # core prompt, user: what a user adds (midstep own-endings)

# kinds of `generator`, drawn by slot
BULK_REQUEST = 40  # the requests of a slot in an open catalogue
BULK_DRIFT = 41  # how its law drifts
BULK_START = 42  # how its law begins
BULK_FACTOR = 43  # each prompt's own factor
EVENT = 44  # place in the timeline x 2^32 + times before: what an event draws for itself
BIT_ERRORS = 45  # of a request's id and the times sent: which bits of a damaged frame are wrong
BULK_SESSION = 140  # what sessions ask for (training.streams)

_ALL = 0xFFFFFFFFFFFFFFFF
_GOLDEN = 0x9E3779B97F4A7C15
_FIRST = 0xBF58476D1CE4E5B9
_SECOND = 0x94D049BB133111EB
_SEED = 0x9E3779B1
_UNIT = 1.0 / 9007199254740992.0  # 2^-53: a double holds 53 of the 64 bits


def uniform(seed: int, kind: int, slot: int, first: int = 0, second: int = 0) -> float:
    """One number in [0, 1) at a place; `first` and `second` are below 2^32, `slot` below 2^64."""
    z = _mix((seed * _SEED + kind) & _ALL)
    z = _mix(z ^ (slot & _ALL)) ^ ((first << 32) & _ALL)
    return (_mix(z ^ (second & _ALL)) >> 11) * _UNIT


def integer(below: int, seed: int, kind: int, slot: int, first: int = 0, second: int = 0) -> int:
    """A whole number 0..below - 1 at a place, for `below` from 1 to 2^53."""
    return int(uniform(seed, kind, slot, first, second) * below)


def uniforms(
    seed: ArrayLike, kind: int, slot: ArrayLike, first: ArrayLike = 0, second: ArrayLike = 0
) -> NDArray[np.float64]:
    """`uniform` of whole numbers that broadcast against each other; the shape is theirs."""
    with np.errstate(over="ignore"):  # 64 bits wrap, which numpy warns of where there is but one
        z = _mix_all(_bits(seed) * np.uint64(_SEED) + np.uint64(kind))
        z = _mix_all(z ^ _bits(slot)) ^ (_bits(first) << np.uint64(32))
        high = _mix_all(z ^ _bits(second)) >> np.uint64(11)
    return np.asarray(high * _UNIT, np.float64)


def generator(seed: int, kind: int, slot: int = 0) -> np.random.Generator:
    """A stream of numbers for (seed, kind, slot), where a slot takes too many to name each place: a
    Philox counter (Salmon et al., SC 2011)."""
    key = np.array([seed, kind], np.uint64)
    counter = np.array([0, 0, 0, slot], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


def _mix(z: int) -> int:
    """splitmix64's finaliser of 64 bits."""
    z = (z + _GOLDEN) & _ALL
    z = ((z ^ (z >> 30)) * _FIRST) & _ALL
    z = ((z ^ (z >> 27)) * _SECOND) & _ALL
    return z ^ (z >> 31)


def _mix_all(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """`_mix` of an array."""
    z = z + np.uint64(_GOLDEN)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(_FIRST)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(_SECOND)
    return np.asarray(z ^ (z >> np.uint64(31)))


def _bits(value: ArrayLike) -> NDArray[np.uint64]:
    return np.asarray(value).astype(np.uint64)
