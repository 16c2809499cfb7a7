"""The edges that a host's devices ask: whether they fit the host, and each one's metrics."""

from __future__ import annotations

from midstep.diffusion.denoise import Denoiser
from midstep.errors import PipelineMismatch, ScenarioError
from midstep.scenario import Scenario
from midstep.telemetry.writers import UserMetrics
from midstep.wire.messages import Description, EdgePort

__all__ = ["OtherEdges", "check_edge"]


class OtherEdges:
    """Edges to which devices of a host may be handed over, with the metrics of those that were."""

    def __init__(self, scenario: Scenario, denoiser: Denoiser) -> None:
        self._scenario = scenario
        self._denoiser = denoiser
        self._metrics: dict[str, UserMetrics] = {}

    async def admit(self, edge: EdgePort) -> tuple[Description, UserMetrics]:
        """The description of an edge that fits, and the metrics of devices there. Raises
        ScenarioError, EdgeUnreachable, CredentialsError, PipelineMismatch."""
        if self._scenario.channel.total_mhz is not None:
            raise ScenarioError(
                "channel.total_mhz: a device shares its edge's band and cannot be handed over; "
                "leave it out"
            )
        description = await edge.describe()
        check_edge(self._scenario, self._denoiser, description)
        name = description.edge
        if name not in self._metrics:
            self._metrics[name] = UserMetrics(name, self._scenario.policy.name)
        return description, self._metrics[name]


def check_edge(scenario: Scenario, denoiser: Denoiser, description: Description) -> None:
    """Raise PipelineMismatch where a host cannot continue what that edge begins, ScenarioError
    where the edge is asked for users' prompts in full and they are not to leave the devices."""
    difference = denoiser.identity.difference(description.pipeline)
    if difference is not None:
        raise PipelineMismatch(
            f"{description.edge} serves another pipeline than this host has: {difference}"
        )
    if scenario.reuse.privacy == "core" and description.whole_prompt:
        raise ScenarioError(
            f"reuse.privacy: core: {description.edge} is asked for users' prompts in full; take a "
            f"policy that stores intermediate outputs, or open"
        )
