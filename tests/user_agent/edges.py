"""An edge that does as a test says, and a device that asks it, in virtual time."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from midstep.clock import VirtualClock
from midstep.diffusion.engine import Engine
from midstep.diffusion.paced import PACED_BYTES
from midstep.radio.fading import specs
from midstep.reuse.limits import ReuseLimits
from midstep.scenario import Scenario
from midstep.telemetry.writers import UserMetrics
from midstep.wire.frame import Frame
from midstep.wire.identity import OutputKey, shared_seed
from midstep.wire.messages import Answer, Description, Quality, QualitySample, Request
from tests import paced
from user_agent.device import Device

QUALITY = Quality(metric="fidelity", floor=1.0, share=0.99)
Reply = Callable[[Request], Awaitable[Answer]]


@dataclass
class FakeEdge:
    """See EdgePort. Answers with a frame of `split_step`, or as `reply` does."""

    reply: Reply | None = None
    split_step: int = 6
    requests: list[Request] = field(default_factory=list)

    async def describe(self) -> Description:
        return Description(
            edge="edge-0",
            pipeline=paced.identity(),
            split_step=self.split_step,
            scenario_seed=7,
            step_s=0.01,
            decode_s=0.005,
            process_id=1,
        )

    async def obtain(self, request: Request, timeout_s: float) -> Answer:
        self.requests.append(request)
        async with asyncio.timeout(timeout_s):
            if self.reply is not None:
                return await self.reply(request)
            return answer(request, cut=self.split_step)

    async def report(self, sample: QualitySample) -> None:
        pass


def answer(request: Request, cut: int = 6, **changes: Any) -> Answer:
    """A proper answer to a request, cut at `cut` or its limit; `changes` are the frame's."""
    step = min(cut, request.limit)
    private = request.private_seed is not None
    seed = shared_seed(request.prompt, 7) if request.private_seed is None else request.private_seed
    key = OutputKey(request.pipeline, request.prompt, seed, private).digest()
    frame = Frame.seal(request.pipeline, key, step, 10, bytes(PACED_BYTES))
    return Answer(
        frame=dataclasses.replace(frame, **changes),
        reuse="computed",
        similarity=0.0,
        edge_steps=step,
        saved_steps=0,
        queue_s=0.001,
        edge_s=0.06,
        seed=seed,
        truncated=False,
    )


async def open_device(scenario: Scenario, edge: FakeEdge) -> Device:
    """A device of the scenario at that edge, with an engine of its own that ticks."""
    clock = VirtualClock()
    engine = Engine(paced.denoiser(PACED_BYTES), clock, queue_limit=99, max_batch=99)
    device = Device(
        specs(scenario)[0],
        scenario,
        edge,
        engine,
        ReuseLimits(scenario.model.steps, {}, scenario.model.split_step, quality=QUALITY),
        await edge.describe(),
        UserMetrics("edge-0", "lru"),
    )
    device.engine_task = asyncio.create_task(engine.run())  # type: ignore[attr-defined]
    return device
