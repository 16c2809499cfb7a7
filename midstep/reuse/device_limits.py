"""Reuse limits of a run's classes of devices, each at the quality that its users want."""

from __future__ import annotations

from collections.abc import Sequence

from midstep.reuse.limits import ReuseLimits, open_limits
from midstep.scenario import QualityFloor, Scenario
from midstep.wire.identity import PipelineIdentity

__all__ = ["DeviceLimits", "open_device_limits"]


class DeviceLimits:
    """Limits by number of the device class. `notice` says in one line what a user should know of
    them at the run's start."""

    def __init__(self, by_group: Sequence[ReuseLimits]) -> None:
        self._by_group = by_group
        notices = dict.fromkeys(one.notice for one in by_group if one.notice is not None)
        self.notice = "; ".join(notices) or None

    def of(self, group: int) -> ReuseLimits:
        """The limits of a device class."""
        return self._by_group[group]


def open_device_limits(
    scenario: Scenario, identity: PipelineIdentity | None = None
) -> DeviceLimits:
    """The limits of a scenario's device classes. Raises what `open_limits` raises."""
    limits: dict[QualityFloor | None, ReuseLimits] = {}
    for devices in scenario.devices:
        if devices.quality not in limits:
            wanted = _with_quality(scenario, devices.quality)
            limits[devices.quality] = open_limits(wanted, identity)
    return DeviceLimits([limits[devices.quality] for devices in scenario.devices])


def _with_quality(scenario: Scenario, quality: QualityFloor | None) -> Scenario:
    if quality is None:
        return scenario
    return scenario.model_copy(
        update={"reuse": scenario.reuse.model_copy(update=quality.model_dump())}
    )
