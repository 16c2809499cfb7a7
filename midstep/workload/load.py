"""Offered load of edge and devices: every request computed, without reuse and without waiting."""

from __future__ import annotations

from dataclasses import dataclass

from midstep.diffusion.profile import StepProfile
from midstep.radio.channel_law import MEAN_SPEED
from midstep.scenario import Devices, Scenario
from midstep.workload.arrivals import open_law
from midstep.workload.requests import read_requests, with_requests

__all__ = ["Load", "between_requests_s", "load"]


@dataclass(frozen=True)
class Load:
    """Offered load without reuse: requests a second, and the cores that computing them needs."""

    requests_s: float
    edge_cores: float
    device_cores: float


def load(
    scenario: Scenario,
    profile: StepProfile,
    pace: StepProfile | None = None,
    cut: float | None = None,
) -> Load:
    """The load at the step times `profile` of whoever computes, one request at a time: batching and
    reuse lower it. `pace` is what users wait for and ask again after, where that is not the same:
    a slower machine has the more to do for it. `cut` is the step at which pictures are handed over;
    None: model.split_step."""
    model = scenario.model
    step_s = profile.step(1)
    waited_s = step_s if pace is None else pace.step(1)
    rate = sum(
        devices.count / between_requests_s(scenario, devices, waited_s, cut)
        for devices in scenario.devices
    )
    edge_steps = model.split_step if cut is None else cut
    edge_s = edge_steps * step_s + profile.encode_s
    device_s = (model.steps - edge_steps) * step_s + profile.encode_s + profile.decode_s
    return Load(rate, rate * edge_s, rate * device_s)


def between_requests_s(
    scenario: Scenario, devices: Devices, step_s: float, cut: float | None = None
) -> float:
    """Mean seconds between two requests of a user of this class, without waiting and with a fast
    link; `cut` as for `load`."""
    trace = read_requests(scenario)
    law = open_law(with_requests(scenario, trace), trace)
    pause_s = law.mean_pause_s
    if not law.closed:
        return pause_s
    model = scenario.model
    edge_steps = model.split_step if cut is None else cut
    device_s = (model.steps - edge_steps) * step_s / (devices.ratio_to(step_s) * MEAN_SPEED)
    return pause_s + edge_steps * step_s + device_s
