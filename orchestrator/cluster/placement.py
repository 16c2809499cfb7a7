"""Placement of a run's actors: on nodes that have what their role and the scenario ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from midstep.errors import ScenarioError
from midstep.scenario import Scenario

__all__ = ["EDGE_CPUS", "HOST_CPUS", "LEARNER_CPUS", "check_gpus", "edge_gpus", "spawn"]

TAG = 0.001  # of the resources midstep-edge and midstep-devices: they say where, not how many
EDGE_CPUS = 1.0
LEARNER_CPUS = 0.1
HOST_CPUS = 0.5
NOTHING: Mapping[str, float] = {}


def spawn(
    cls: type,
    role: str | None,
    available: Mapping[str, float],
    cpus: float,
    gpus: float = 0.0,
    resources: Mapping[str, float] = NOTHING,
    spread: bool = False,
    node: str | None = None,
) -> Any:
    """An actor where its role belongs: on a node that has the resource midstep-<role>, if any of
    those `available` is that, and those that the scenario asks for; on just that `node`, an id of
    Ray's, where there is one. Raises ScenarioError where no node has them."""
    needed = dict(resources)
    if f"midstep-{role}" in available:
        needed[f"midstep-{role}"] = TAG
    missing = next(
        (name for name, amount in needed.items() if available.get(name, 0.0) < amount), None
    )
    if missing is not None:
        key = "edges.N" if role == "edge" else "hosts"
        lacks = f"{needed[missing]:g} of {missing}"
        has = ", ".join(sorted(name for name in available if not name.startswith("node:")))
        raise ScenarioError(f"{key}.resources: the cluster has no {lacks}; it has {has}")
    options: dict[str, Any] = {"scheduling_strategy": "SPREAD"} if spread else {}
    if node is not None:
        options["scheduling_strategy"] = NodeAffinitySchedulingStrategy(node, soft=False)
    kind = ray.remote(num_cpus=cpus, num_gpus=gpus, resources=needed, max_restarts=0, **options)
    return kind(cls).remote()


def edge_gpus(scenario: Scenario, number: int, gpus: float) -> float:
    """The share of a GPU that an edge gets, where a cluster has `gpus`: what the scenario says,
    else what is there."""
    if scenario.model.device == "cpu" or scenario.modes.denoiser == "paced":
        return 0.0
    share = scenario.edges[number].gpus
    if share is not None:
        return share
    each = gpus / len(scenario.edges)
    if each >= 1 and not scenario.hosts.gpus:
        return 1.0
    return round(min(0.5, each / 2), 3) if gpus else 0.0


def check_gpus(needed: float, gpus: float) -> None:
    """Raise ScenarioError where more GPU is asked for than the `gpus` that the cluster has."""
    if needed > gpus:
        raise ScenarioError(
            f"edges.N.gpus and hosts.gpus ask for {needed:g} GPUs in all, the cluster has "
            f"{gpus:g}: ask for less"
        )
