"""The step-level engine against the same requests one at a time through stock diffusers, on the
same cores.

`python -m benchmarks.engine [--model M] [--device D] [--size 512] [--in-flight 8] [--pictures 24]
[--threads N]`

Prints pictures per minute both ways and their ratio, and what a tick costs beyond the network's own
call. The two ways take turns, so that whatever else the machine does falls on both.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from concurrent.futures import Executor
from dataclasses import dataclass
from statistics import median
from typing import Any

from midstep import scenario_file as scenarios
from midstep.clock import WallClock
from midstep.diffusion.batched import BatchedDenoiser
from midstep.diffusion.denoise import Denoiser, Picture, Trajectory
from midstep.diffusion.engine import Engine, EngineStats
from midstep.diffusion.factory import compute_thread, open_denoiser
from midstep.errors import ModelError
from midstep.scenario import Scenario
from midstep.wire.tuning import bind_threads
from midstep.workload.requests import find_catalogue

ROUNDS = 5


@dataclass(frozen=True)
class WholePicture:
    """The engine's job of one picture, from noise."""

    denoiser: Denoiser
    prompt: str
    seed: int

    def begin(self) -> Trajectory:
        return self.denoiser.begin(self.prompt, self.seed, self.denoiser.identity.steps)

    def finish(self, trajectory: Trajectory) -> Picture:
        return self.denoiser.decode(trajectory)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default="midstep-emoji")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--size", type=int, help="pixels a side (default: the model's own)")
    parser.add_argument("--in-flight", type=int, default=8)
    parser.add_argument("--pictures", type=int, default=24, help="a round; there are five")
    parser.add_argument(
        "--threads",
        type=int,
        default=os.cpu_count() or 1,
        help="of both ways (default: every core)",
    )
    args = parser.parse_args()
    bind_threads(args.threads)
    settings = [
        f"model.path={args.model}",
        f"model.device={args.device}",
        "model.scheduler=default",
    ]
    settings += [f"model.height={args.size}", f"model.width={args.size}"] if args.size else []
    scenario = scenarios.load(None, settings)
    # All of it in one thread: each thread that computes gets an OpenMP team of its own, and two
    # teams get in each other's way on as many cores.
    thread = compute_thread("bench")
    denoiser = thread.submit(open_denoiser, scenario, args.threads).result()
    if not isinstance(denoiser, BatchedDenoiser):
        raise ModelError(
            f"{args.model} is run one request at a time: there is no batching to measure"
        )
    prompts = [find_catalogue(scenario).edge_prompts[i] for i in range(args.pictures)]
    calls = _timed(denoiser)
    # both ways have run once before either is timed
    thread.submit(stock, denoiser, scenario, prompts[:1]).result()
    asyncio.run(engine(denoiser, thread, prompts[:2], args.in_flight, []))
    alone = []
    batched = []
    ticks = []
    for _ in range(ROUNDS):
        alone.append(thread.submit(stock, denoiser, scenario, prompts).result())
        calls.clear()
        measured: list[tuple[int, float]] = []
        batched.append(asyncio.run(engine(denoiser, thread, prompts, args.in_flight, measured)))
        ticks += [
            (tick, call)
            for (batch, tick), call in zip(measured, calls, strict=True)
            if batch == args.in_flight
        ]
    print(
        f"{args.model}, {denoiser.device}, {args.threads} thread(s), {denoiser.identity.width} "
        f"pixels a side"
    )
    report(args.pictures, args.in_flight, alone, batched, ticks)


def report(
    pictures: int,
    in_flight: int,
    alone: list[float],
    batched: list[float],
    ticks: list[tuple[float, float]],
) -> None:
    """Print the figures; `ticks` are (tick, network call) seconds at a full batch."""
    ratios = [a / b for a, b in zip(alone, batched, strict=True)]
    beyond = median((tick - call) / call for tick, call in ticks)
    print(
        f"one at a time, stock diffusers   {60 * pictures / median(alone):8.1f} pictures a minute"
    )
    print(
        f"step-level engine, {in_flight:2} in flight  {60 * pictures / median(batched):8.1f} "
        f"pictures a minute"
    )
    print(
        f"ratio                            {median(ratios):8.2f}  (rounds: "
        f"{', '.join(f'{r:.2f}' for r in ratios)})"
    )
    print(
        f"tick beyond the network's call   {beyond:8.1%}  (median of {len(ticks)} ticks at batch "
        f"{in_flight})"
    )


def stock(denoiser: BatchedDenoiser, scenario: Scenario, prompts: list[str]) -> float:
    """Seconds for the prompts one after the other through the unmodified pipeline."""
    import torch

    began = time.perf_counter()
    for seed, prompt in enumerate(prompts):
        denoiser.pipe(
            prompt,
            num_inference_steps=scenario.model.steps,
            guidance_scale=scenario.model.guidance,
            height=denoiser.identity.height,
            width=denoiser.identity.width,
            generator=torch.Generator("cpu").manual_seed(seed),
        )
    return time.perf_counter() - began


async def engine(
    denoiser: BatchedDenoiser,
    thread: Executor,
    prompts: list[str],
    in_flight: int,
    ticks: list[tuple[int, float]],
) -> float:
    """Seconds for the prompts through the engine, `in_flight` at a time; `ticks` takes each tick's
    batch and seconds."""
    stats = EngineStats(lambda batch, step_s, tick_s: ticks.append((batch, tick_s)))
    running = Engine(
        denoiser, WallClock(), queue_limit=10**6, max_batch=in_flight, executor=thread, stats=stats
    )
    task = asyncio.create_task(running.run())
    began = time.perf_counter()
    jobs = [
        running.submit(WholePicture(denoiser, prompt, seed)) for seed, prompt in enumerate(prompts)
    ]
    await asyncio.gather(*jobs)
    spent = time.perf_counter() - began
    task.cancel()
    return spent


def _timed(denoiser: BatchedDenoiser) -> list[float]:
    """Seconds of every call of the network from now on."""
    calls: list[float] = []
    forward = denoiser.pipe.unet.forward

    def timed(*args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        out = forward(*args, **kwargs)
        if denoiser.device.type == "cuda":
            import torch

            torch.cuda.synchronize()
        calls.append(time.perf_counter() - began)
        return out

    denoiser.pipe.unet.forward = timed
    return calls


if __name__ == "__main__":
    main()
