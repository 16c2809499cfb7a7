"""Response times on a shared edge: channel and device of each user, the edge's queue, and what a
run is measured by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from midstep.diffusion.profile import StepProfile
from midstep.draws import GAIN, SPEED, uniforms
from midstep.radio import channel_law, physics
from orchestrator.evaluation.simulator.presets import Preset
from orchestrator.evaluation.simulator.requests import Floats, Ids
from orchestrator.records.statistics import percentile

__all__ = ["MeasuredSlots", "measure", "misses_ms", "weigh"]

Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class MeasuredSlots:
    """The measured slots of one policy. Requests (slots, n): response and all-local time, ms;
    `used`: served from the cache; `shared`: missed, and handed an output that the edge made for
    another request of the slot. `group` numbers the (slot, prompt) pairs, `slot_of` (groups,) says
    which slot each is of."""

    response_ms: Floats
    local_ms: Floats
    used: Flags
    shared: Flags
    group: Ids
    slot_of: Ids


def weigh(preset: Preset, seed: int, items: Ids, hits: Flags, warmup: int) -> MeasuredSlots:
    """Price requests for `items` (slots, n) of which `hits` (slots, n) were cached; the first
    `warmup` slots only load the edge's queue. Seconds inside, as equations (4) to (8) and (14) say
    with O multiplying the wait, too."""
    slots, requests = items.shape
    transfer, rest, local = _devices(preset, seed, slots, requests)
    used = hits & (transfer + rest <= local) if preset.serve_guard else hits
    edge, computed = _edge(preset, items, hits)
    response = np.where(hits & ~used, local, transfer + rest + edge)
    codes = (np.arange(slots)[:, None] * preset.items + items)[warmup:]
    unique, group = np.unique(codes, return_inverse=True)
    measured = slice(warmup, None)
    return MeasuredSlots(
        response_ms=response[measured] * 1e3,
        local_ms=local[measured] * 1e3,
        used=used[measured],
        shared=~(hits | computed)[measured],
        group=group.reshape(codes.shape),
        slot_of=unique // preset.items - warmup,
    )


def _devices(preset: Preset, seed: int, slots: int, requests: int) -> tuple[Floats, Floats, Floats]:
    """Of every request (slots, requests): T of (8), loc(m0) and loc(0) of (5), seconds; number i is
    user i % users'."""
    radio = preset.radio
    bandwidth = channel_law.user_bandwidths_hz(preset.bandwidth_mhz, seed, preset.users)
    distance = channel_law.distances_m(preset.distance_m, preset.users)
    slot = np.arange(slots)[:, None]
    users = np.arange(preset.users)
    fading = uniforms(seed, GAIN, slot, users)
    rate = channel_law.rate_bps(radio, bandwidth, channel_law.mean_gain(radio, distance), fading)
    share = channel_law.speed_share(uniforms(seed, SPEED, slot, users))
    speed = share * (preset.device_ghz * 1e9)
    user = np.arange(requests) % preset.users
    by_user = (
        physics.transfer_seconds(preset.frame_bits, rate, preset.split_step),
        physics.device_seconds(preset.split_step, preset.steps, preset.frame_bits, speed),
        physics.device_seconds(0, preset.steps, preset.frame_bits, speed),
    )
    transfer, rest, local = (np.asarray(value[:, user]) for value in by_user)
    return transfer, rest, local


def _edge(preset: Preset, items: Ids, hits: Flags) -> tuple[Floats, Flags]:
    """w + E(m0) of every request, 0 where it hit, seconds, and whether its output was made for it;
    (slots, n)."""
    from orchestrator.evaluation.simulator import ticks  # compiles

    edge = np.zeros(items.shape)
    computed = np.zeros(items.shape, np.bool_)
    missed = ~hits
    misses = missed.sum(1, keepdims=True)
    nth = np.cumsum(missed, 1) - 1
    slot = np.broadcast_to(np.arange(len(items))[:, None], items.shape)
    at = ((slot + (nth + 0.5) / np.maximum(misses, 1)) * preset.slot_seconds)[missed]
    alone_s = preset.frame_bits / (preset.edge_ghz * 1e9)  # (4): kappa D / f_es
    step_s = (
        StepProfile.load(Path(preset.profile)).step
        if preset.profile
        else lambda batch: batch * alone_s
    )
    ready, computed[missed] = ticks.ready_times(
        ticks.Misses(at, items[missed], slot[missed]),
        step_s,
        preset.max_batch,
        preset.split_step,
        preset.items,
        preset.slot_seconds,
    )
    edge[missed] = ready - at
    return edge, computed


def misses_ms(served: MeasuredSlots) -> float:
    """Mean over slots of L_avg (16), ms."""
    return float(_slots(served)[2].mean())


def measure(served: MeasuredSlots, target_ms: float) -> dict[str, float]:
    """A run's metrics (`orchestrator.records.metrics`); nan where there are too few requests."""
    response, local, average = _slots(served)
    virtual_queue = 0.0
    total = 0.0  # of the virtual queue over the slots
    for value in average.tolist():  # (23)
        virtual_queue = max(virtual_queue + value - target_ms, 0.0)
        total += virtual_queue
    requests = served.response_ms.size
    p50, p95, p99 = (percentile(served.response_ms.ravel(), q) for q in (50, 95, 99))
    by_slot = np.bincount(served.slot_of, response, minlength=len(average))
    saved = np.bincount(served.slot_of, local - response, minlength=len(average))
    return {
        "hit_ratio": float(served.used.mean()),
        "hit_ratio_in_slot": float((served.used | served.shared).sum()) / requests,
        "response_per_request_ms": float(served.response_ms.mean()),
        "response_ms": float(response.mean()),
        "p50_s": _seconds(p50),
        "p95_s": _seconds(p95),
        "p99_s": _seconds(p99),
        "largest_s": _seconds(float(served.response_ms.max())),
        "saved_vs_ncldc_ms": float(saved.mean()),
        "own_saved_vs_ncldc_ms": float((served.local_ms - served.response_ms).mean()),
        "system_cost_ms": float(by_slot.mean()),
        "latency_avg_ms": float(average.mean()),
        "queue_ms": total / len(average),
    }


def _seconds(milliseconds: float | None) -> float:
    return np.nan if milliseconds is None else milliseconds / 1e3


def _slots(served: MeasuredSlots) -> tuple[Floats, Floats, Floats]:
    """L_r and L_r(0) of (15), the slowest of a prompt's requesters, both (groups,); L_avg of (16),
    (slots,)."""
    groups = len(served.slot_of)
    slots = len(served.response_ms)
    response = np.zeros(groups)
    local = np.zeros(groups)
    missed = np.zeros(groups, np.bool_)
    np.maximum.at(response, served.group.ravel(), served.response_ms.ravel())
    np.maximum.at(local, served.group.ravel(), served.local_ms.ravel())
    missed[served.group[~served.used]] = True
    count = np.bincount(served.slot_of[missed], minlength=slots)
    total = np.bincount(served.slot_of[missed], response[missed], minlength=slots)
    return response, local, total / np.maximum(count, 1)
