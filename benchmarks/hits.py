"""What a held output saves the edge: `python -m benchmarks.hits [--rounds 12] [--model M]`.

An edge in this process, on the real model. In every round and for each held step k a prompt that
nobody asked for yet is computed to k, kept, handed over again (a hit), and continued to the last
step but one; another one is computed that far from noise. Times are the process's CPU time, which
neighbours on the machine disturb less than the clock; the share that is saved stands beside k / m,
what as many steps would be worth if holding, finding and unpacking an output took no time.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable
from statistics import median

from edge_node.node import EdgeNode
from midstep.clock import WallClock
from midstep.scenario_file import load
from midstep.wire.messages import Answer, Request
from midstep.wire.messages_control import CacheUpdate
from midstep.wire.tuning import bind_threads
from midstep.workload.requests import find_catalogue

HELD = (4, 8, 12, 16)


async def measure(model: str | None, rounds: int) -> dict[tuple[str, int], list[float]]:
    """CPU seconds of each way to answer, by what it is and by the held step."""
    settings = ["cut.rule=limit", "edges.0.capacity=64MB", "policy.name=lru"]
    if model is not None:
        settings += [f"model.path={model}", "model.profile=null"]
    scenario = load("laptop", [*settings, "reuse.similar=null", "policy.steps_per_prompt=several"])
    node = await EdgeNode.open(scenario, WallClock())
    node.edge.clock.begin(time.time())
    edge = node.edge
    last = edge.identity.steps - 1
    prompts = iter(find_catalogue(scenario).edge_prompts)
    pipeline = edge.identity.digest()
    spent: dict[tuple[str, int], list[float]] = defaultdict(list)

    def ask(prompt: str, limit: int) -> Awaitable[Answer]:
        request = Request(request_id="hits", prompt=prompt, pipeline=pipeline, limit=limit)
        return edge.obtain(request, 600.0)

    async def timed(name: str, step: int, call: Awaitable[Answer], reuse: str) -> Answer:
        before = time.process_time()
        answer = await call
        spent[name, step].append(time.process_time() - before)
        assert answer.reuse == reuse, f"{answer.reuse}, expected {reuse}"
        return answer

    await ask(next(prompts), last)  # the first one warms up
    for _ in range(rounds):
        for step in HELD:
            prompt = next(prompts)
            answer = await timed("computed", step, ask(prompt, step), "computed")
            assert answer.frame is not None
            update = CacheUpdate(admit=((answer.frame.prompt_key, step),))
            assert (await edge.apply(update)).admitted == 1
            await timed("hit", step, ask(prompt, step), "exact")
            await timed("resumed", step, ask(prompt, last), "resumed")
            await timed("whole", step, ask(next(prompts), last), "computed")
    await node.close()
    return spent


def main() -> None:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model")
    parser.add_argument("--rounds", type=int, default=12)
    args = parser.parse_args()
    bind_threads(1)
    spent = asyncio.run(measure(args.model, args.rounds))
    last = load("laptop").model.steps - 1
    print("CPU milliseconds, medians; m is the last step but one")
    print("| k | 0 to k | a hit at k | saved | 0 to m | k to m | saved | k / m | of k / m |")
    print("|---|---|---|---|---|---|---|---|---|")
    for step in HELD:
        ways = ("computed", "hit", "whole", "resumed")
        fresh, hit, whole, resumed = (1e3 * median(spent[way, step]) for way in ways)
        saved = 1 - resumed / whole
        print(
            f"| {step} | {fresh:.1f} | {hit:.2f} | {1 - hit / fresh:.1%} | {whole:.1f} | "
            f"{resumed:.1f} | {saved:.1%} | {step / last:.1%} | {saved * last / step:.1%} |"
        )


if __name__ == "__main__":
    main()
