"""What a tick of the edge costs beside the network: CPU time of paced requests in virtual time.

`python -m benchmarks.ticks [--requests 16] [--cut 40]`

Prints microseconds of CPU a tick for whole requests, each for its own prompt; for as many that
share one trajectory; and for bare jobs of the engine. Nothing waits and no tensor is computed.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from edge_node.cache.staging import Staging
from edge_node.cache.store import Store
from edge_node.cut import FixedStep
from edge_node.edge import Edge
from midstep.clock import VirtualClock, run_virtual
from midstep.diffusion.denoise import Denoiser, Trajectory
from midstep.diffusion.engine import Engine
from midstep.diffusion.paced import PACED_BYTES, PacedDenoiser
from midstep.diffusion.profile import StepProfile
from midstep.wire.identity import PipelineIdentity
from midstep.wire.messages import Request

ROUNDS = 30
REPEATS = 7  # the least counts: everything else is somebody else's
PROFILE = StepProfile({1: 0.010, 16: 0.040}, encode_s=0.002, decode_s=0.005)

Calls = Callable[[Edge], Sequence[Coroutine[Any, Any, Any]]]


@dataclass(frozen=True)
class Bare:
    """A job of the engine alone."""

    denoiser: Denoiser
    until: int

    def begin(self) -> Trajectory:
        return self.denoiser.begin("p", 0, self.until)

    def finish(self, trajectory: Trajectory) -> None:
        """Nothing is packed."""


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--requests", type=int, default=16)
    parser.add_argument("--cut", type=int, default=40)
    args = parser.parse_args()
    count = range(args.requests)

    def ask(edge: Edge, prompt: str) -> Coroutine[Any, Any, Any]:
        pipeline = edge.identity.digest()
        request = Request(request_id="r", prompt=prompt, pipeline=pipeline, limit=args.cut)
        return edge.obtain(request, 1e6)

    ways: dict[str, Calls] = {
        "requests, each for its own prompt": lambda edge: [ask(edge, f"p {i}") for i in count],
        "requests that share a trajectory": lambda edge: [ask(edge, "p") for _ in count],
        "bare jobs of the engine": lambda edge: [
            edge.engine.submit(Bare(edge.engine.denoiser, args.cut)) for _ in count
        ],
    }
    for name, calls in ways.items():
        spent = min(run_virtual(measure(calls, args)) for _ in range(REPEATS))
        print(f"{args.requests} {name:34} {1e6 * spent:6.1f} us a tick")


async def measure(calls: Calls, args: argparse.Namespace) -> float:
    """CPU seconds a tick."""
    clock = VirtualClock()
    identity = PipelineIdentity(
        model="m",
        revision="r",
        scheduler="DDIM",
        scheduler_config="c",
        steps=args.cut,
        guidance=3.0,
        height=64,
        width=64,
        dtype="float32",
    )
    engine = Engine(
        PacedDenoiser(identity, PROFILE),
        clock,
        queue_limit=args.requests,
        max_batch=args.requests,
        profile=PROFILE,
    )
    edge = Edge(
        "edge",
        engine,
        Store(PACED_BYTES),
        Staging(PACED_BYTES),
        clock,
        rule=FixedStep(args.cut),
        split_step=args.cut,
        seed=7,
        profile=PROFILE,
    )
    task = asyncio.create_task(engine.run())
    began = time.process_time()
    for _ in range(ROUNDS):
        await asyncio.gather(*calls(edge))
    spent = time.process_time() - began
    task.cancel()
    return spent / engine.ticks


if __name__ == "__main__":
    main()
