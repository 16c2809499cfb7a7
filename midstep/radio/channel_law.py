"""Rate of a link and speed of a device from uniform random numbers: one law for the devices of a
run and the users of the simulator.

Arguments are scalars or arrays that broadcast; `uniform` is from [0, 1), by `midstep.draws` under
the kinds GAIN, SPEED and BANDWIDTH, so that one seed is one world on all roads.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from midstep.draws import BANDWIDTH, uniforms
from midstep.radio import physics
from midstep.scenario import Radio
from midstep.tree import Range

__all__ = [
    "LEAST_FADE",
    "MEAN_SPEED",
    "SPEED_LOW",
    "bandwidth_hz",
    "distances_m",
    "fade",
    "mean_gain",
    "rate_bps",
    "speed_share",
    "user_bandwidths_hz",
]

Floats = NDArray[np.float64]
SPEED_LOW = 0.7  # f_n(t) is U[0.7, 1] of the device's maximum
MEAN_SPEED = (SPEED_LOW + 1) / 2
LEAST_FADE = 1e-9  # a link is never dead


def distances_m(ends: Range, count: int) -> Floats:
    """`count` places evenly spaced from the nearest to the farthest, (count,); one is the
    nearest."""
    return np.linspace(*ends, count)


def bandwidth_hz(ends_mhz: Range, uniform: ArrayLike) -> Floats:
    """W_n: uniform between the ends."""
    low, high = ends_mhz
    return np.asarray((low + (high - low) * np.asarray(uniform)) * 1e6)


def user_bandwidths_hz(ends_mhz: Range, seed: int, users: int) -> Floats:
    """W_n of users 0..users - 1, (users,)."""
    return bandwidth_hz(ends_mhz, uniforms(seed, BANDWIDTH, 0, np.arange(users)))


def mean_gain(radio: Radio, distance_m: ArrayLike) -> Floats:
    """The path loss alone."""
    return physics.mean_gain(
        distance_m, radio.carrier_mhz * 1e6, radio.path_loss_exponent, radio.antenna_gain
    )


def fade(radio: Radio, uniform: ArrayLike) -> Floats:
    """g_n(t) / mean gain: Exp(1), which is Rayleigh block fading; 1 where the scenario has none."""
    if not radio.fading:
        return np.ones(np.shape(uniform))
    return np.asarray(np.maximum(-np.log1p(-np.asarray(uniform)), LEAST_FADE))


def rate_bps(
    radio: Radio, bandwidth_hz: ArrayLike, mean_gain: ArrayLike, uniform: ArrayLike
) -> Floats:
    """R_n(t) of (6)."""
    gain = np.asarray(mean_gain) * fade(radio, uniform)
    return physics.rate_bps(bandwidth_hz, radio.power_w, gain, radio.noise_w)


def speed_share(uniform: ArrayLike) -> Floats:
    """f_n(t) / f_max."""
    return np.asarray(SPEED_LOW + (1 - SPEED_LOW) * np.asarray(uniform))
