"""Equations (1) to (8) of the paper, for scalars and for arrays alike. Seconds, bits, hertz, watts,
metres."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "LIGHT_M_S",
    "PSNR_CAP_DB",
    "Floats",
    "device_seconds",
    "edge_seconds",
    "mean_gain",
    "mse",
    "psnr_db",
    "rate_bps",
    "reusable_steps",
    "transfer_seconds",
]

Floats = NDArray[np.float64]
LIGHT_M_S = 3e8
PSNR_CAP_DB = 100.0  # of two equal pictures, where (2) is infinite


def mse(picture: ArrayLike, other: ArrayLike) -> float:
    """(1): mean squared difference of two pictures of equal shape, in squared grey levels. Raises
    ValueError for different shapes."""
    a = np.asarray(picture, np.float64)
    b = np.asarray(other, np.float64)
    if a.shape != b.shape:
        raise ValueError(f"pictures of shapes {a.shape} and {b.shape} cannot be compared")
    return float(np.mean((a - b) ** 2))


def psnr_db(picture: ArrayLike, other: ArrayLike, peak: float = 255.0) -> float:
    """(2): peak signal-to-noise ratio in dB, capped at PSNR_CAP_DB for equal pictures."""
    error = mse(picture, other)
    if error == 0:
        return PSNR_CAP_DB
    return min(PSNR_CAP_DB, 20 * float(np.log10(peak / np.sqrt(error))))


def reusable_steps(psnr_by_step: ArrayLike, limit_db: float) -> int:
    """S*_r of section 3.2: the last step m (from 1) whose PSNR_m is below `limit_db`; 0 where none
    is."""
    below = np.flatnonzero(np.asarray(psnr_by_step) < limit_db)
    return int(below[-1]) + 1 if below.size else 0


def edge_seconds(steps: ArrayLike, cycles_per_step: ArrayLike, edge_hz: ArrayLike) -> Floats:
    """(4): time of the first m steps on the edge, m * kappa * D / f_es."""
    return _floats(steps) * _floats(cycles_per_step) / _floats(edge_hz)


def device_seconds(
    done: ArrayLike, steps: ArrayLike, cycles_per_step: ArrayLike, device_hz: ArrayLike
) -> Floats:
    """(5): time of the remaining S - m steps on the device, (S - m) * kappa * D / f_n."""
    return (_floats(steps) - _floats(done)) * _floats(cycles_per_step) / _floats(device_hz)


def mean_gain(
    distance_m: ArrayLike, carrier_hz: float, exponent: float, antenna_gain: float
) -> Floats:
    """Mean power gain A_d (c / (4 pi f_c d))^pl. The paper gives no path loss: the usual one of its
    line of work."""
    return antenna_gain * (LIGHT_M_S / (4 * np.pi * carrier_hz * _floats(distance_m))) ** exponent


def rate_bps(
    bandwidth_hz: ArrayLike, power_w: ArrayLike, gain: ArrayLike, noise_w: ArrayLike
) -> Floats:
    """(6): R_n(t) = W_n log2(1 + p g / delta^2), bit/s."""
    snr = _floats(power_w) * _floats(gain) / _floats(noise_w)
    # log1p: a channel far below its noise is slow, never 0
    return _floats(_floats(bandwidth_hz) * np.log1p(snr) / np.log(2))


def transfer_seconds(bits: ArrayLike, rate: ArrayLike, edge_steps: ArrayLike) -> Floats:
    """(8): D / R_n(t) where the edge did at least one step, else 0."""
    return np.where(_floats(edge_steps) > 0, _floats(bits) / _floats(rate), 0.0)


def _floats(value: ArrayLike) -> Floats:
    return np.asarray(value, np.float64)
