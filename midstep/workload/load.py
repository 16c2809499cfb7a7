"""What users ask of edge and devices, if all of it is computed and nothing waits."""

from __future__ import annotations

from dataclasses import dataclass

from midstep.diffusion.profile import StepProfile
from midstep.radio.channel_law import MEAN_SPEED
from midstep.scenario import Devices, Scenario

__all__ = ["Load", "between_requests_s", "load"]


@dataclass(frozen=True)
class Load:
    """What users ask for, if all of it is computed and nothing waits: requests a second, and cores
    of computing."""

    requests_s: float
    edge_cores: float
    device_cores: float


def load(scenario: Scenario, profile: StepProfile) -> Load:
    """The load at these step times, one request at a time: batches make it less, and so does every
    reuse."""
    model = scenario.model
    step_s = profile.step(1)
    rate = sum(
        devices.count / between_requests_s(scenario, devices, step_s)
        for devices in scenario.devices
    )
    edge_s = model.split_step * step_s + profile.encode_s
    device_s = (model.steps - model.split_step) * step_s + profile.encode_s + profile.decode_s
    return Load(rate, rate * edge_s, rate * device_s)


def between_requests_s(scenario: Scenario, devices: Devices, step_s: float) -> float:
    """How long a user of this class takes from one request to the next, where nothing waits and the
    link is fast."""
    arrivals = scenario.workload.arrivals
    if arrivals.closed is None:
        return arrivals.mean_pause_s
    model = scenario.model
    device_s = (model.steps - model.split_step) * step_s / (devices.speed_ratio * MEAN_SPEED)
    return arrivals.mean_pause_s + model.split_step * step_s + device_s
