"""What is played: points of Figures 8 to 10 as scenario `paper` with a key changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from midstep import scenario_file
from midstep.errors import ScenarioError
from orchestrator.evaluation.experiment.plan import Plan, Road
from orchestrator.evaluation.experiment.points import Point
from orchestrator.evaluation.figures.sweeps import G_ITEMS, SWEEPS
from orchestrator.evaluation.figures.values import Effort
from orchestrator.evaluation.simulator import presets
from orchestrator.evaluation.simulator.presets import Preset

__all__ = ["FIGURES", "SCENARIO", "SHARED", "Run", "Setting", "key_of", "plan", "sweep"]

SCENARIO = "paper"
FIGURES = ("fig8", "fig9", "fig10")
DEFAULT_G = 3  # what the scenario's capacity is
KEYS = ("users", "reuse.last_step", "capacity", "policy.name")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A point of a sweep: users, S*, and how many outputs fit."""

    users: int = 20
    last_step: int = 6
    capacity: int = DEFAULT_G * G_ITEMS

    def under(self, policy: str) -> Setting:
        """The setting of a policy's run. `ncldc` stores nothing, so that one run serves all
        capacities and all S*."""
        return Setting(users=self.users) if policy == "ncldc" else self

    @property
    def preset(self) -> Preset:
        """The same in the simulator."""
        return presets.find("compact").model_copy(
            update={
                "users": self.users,
                "reusable_steps": self.last_step,
                "capacity": self.capacity,
            }
        )

    def keys(self) -> dict[str, Any]:
        """The scenario's keys. Raises ScenarioError where `paper` does not say how large an output
        is."""
        return {
            "users": self.users,
            "reuse.last_step": self.last_step,
            "capacity": self.capacity * _output_bytes(),
        }


SHARED = Setting()  # the one point that is in all three figures
Run = tuple[Setting, str, int]  # a setting, a policy, a seed


def sweep(figure: str) -> dict[float, Setting]:
    """The points of a figure, by the value that it sweeps."""
    swept = SWEEPS[figure]
    field = {"reusable_steps": "last_step"}.get(swept.setting, swept.setting)
    return {x: replace(SHARED, **{field: round(x * swept.unit)}) for x in swept.values}


def plan(
    name: str,
    runs: Iterable[tuple[Setting, Sequence[str]]],
    effort: Effort,
    changes: Mapping[str, Any],
    road: Road = "virtual",
) -> Plan:
    """The experiment of these settings and policies, `effort.seeds` seeds each; `changes` are keys
    of the scenario that are other than `paper`'s."""
    grids = list[dict[str, Any]]()
    for setting, policies in runs:
        for policy in policies:
            keys = {**setting.under(policy).keys(), "policy.name": policy}
            grid = {**keys, "seed": list(range(effort.seeds))}
            if grid not in grids:
                grids.append(grid)
    slot_seconds = float(changes.get("slot_seconds", 1.0))
    return Plan.model_validate(
        {
            "name": name,
            "scenario": SCENARIO,
            "road": road,
            "duration_s": effort.slots * slot_seconds,
            "set": {"warmup_s": effort.warmup * slot_seconds, **changes},
            "vary": grids,
        }
    )


def key_of(point: Point) -> Run:
    """The setting, policy and seed of a point of `plan`."""
    users, last_step, capacity, policy = (point.settings[key] for key in KEYS)
    setting = Setting(users=users, last_step=last_step, capacity=round(capacity / _output_bytes()))
    return setting, policy, point.seed


def _output_bytes() -> int:
    """Bytes that the store counts for an output: the scenario's capacity is DEFAULT_G."""
    capacity = scenario_file.load(SCENARIO).edge.capacity
    each, rest = divmod(capacity, DEFAULT_G * G_ITEMS)
    if rest:
        raise ScenarioError(
            f"scenario {SCENARIO}: edges.0.capacity {capacity} is not {DEFAULT_G * G_ITEMS} "
            f"outputs of one size"
        )
    return each
