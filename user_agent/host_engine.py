"""The engine that a host's devices share: how long it takes, and how many pictures at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from midstep.clock import Clock
from midstep.diffusion.denoise import Denoiser
from midstep.diffusion.engine import Engine, EngineStats
from midstep.diffusion.paced import PacedDenoiser
from midstep.scenario import Scenario
from midstep.telemetry.writers import on_tick

__all__ = ["open_engine"]

UNBOUNDED = 10**9


def open_engine(
    scenario: Scenario,
    denoiser: Denoiser,
    thread: ThreadPoolExecutor | None,
    clock: Clock,
    edge: str,
) -> Engine:
    """The engine of the devices of an edge, which computes in `thread`, where it is not paced."""
    # modelled times depend on the device alone, not on how many share the host's process
    modelled = denoiser.profile is not None
    if isinstance(denoiser, PacedDenoiser):
        # a device's throttle alone holds its picture: the host's ticks take no time
        denoiser = PacedDenoiser(denoiser.identity, denoiser.profile, at_once=True)
        denoiser.frame_numbers = scenario.reuse.frame
    return Engine(
        denoiser,
        clock,
        queue_limit=UNBOUNDED,
        max_batch=UNBOUNDED if modelled else scenario.hosts.max_batch,
        executor=None if modelled else thread,
        stats=EngineStats(on_tick(edge, "device")),
    )
