"""What an edge hands over is, bit for bit, the uncut run's at that step: frozen on the way, left by
those who share it, joined late, and gone on with twice.

The frames' bytes are compared, which tests/midstep/diffusion/test_cut.py finishes in a second
process.
"""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_node.edge import Edge
from midstep.diffusion.denoise import Denoiser
from midstep.wire.identity import shared_seed
from midstep.wire.messages import Answer
from midstep.wire.messages_control import CacheUpdate
from tests.edge_node.world import Wish, keep, wish, with_edge
from tests.midstep.diffusion.cuts import PROMPT, STEPS, opened, run

SIZE = 1 << 20
SEED = 7  # of the edge
KINDS = [
    ("sd", "ddim", "batched"),
    ("sd", "dpm++2m", "batched"),
    ("sd", "euler-a", "batched"),
    ("sdxl", "euler", "batched"),
    ("sd", "euler-a", "windowed"),
    ("pixart", "default", "windowed"),
    ("sd3", "default", "windowed"),
    ("flux", "default", "windowed"),
]


@functools.cache
def uncut(denoiser: Denoiser, step: int) -> bytes:
    """The payload at that step of a run from noise that nobody has frozen before."""
    trajectory = denoiser.begin(PROMPT, shared_seed(PROMPT, SEED), step)
    return denoiser.freeze(run(denoiser, trajectory), "key").payload


@functools.cache
def on_the_way(denoiser: Denoiser) -> dict[int, bytes]:
    """The payloads of a run from noise to its end, each frozen before the next step."""
    trajectory = denoiser.begin(PROMPT, shared_seed(PROMPT, SEED), STEPS)
    payloads = {}
    while trajectory.step < STEPS:
        denoiser.advance([trajectory])
        payloads[trajectory.step] = denoiser.freeze(trajectory, "key").payload
    return payloads


async def schedule(edge: Edge) -> list[Answer]:
    def obtain(cut: int, limit: int) -> asyncio.Task[Answer]:
        return asyncio.create_task(edge.obtain(wish(edge, cut, limit, prompt=PROMPT), 10))

    four = obtain(4, 4)
    seven = obtain(7, 7)
    await asyncio.sleep(0.055)
    late = await obtain(3, 5)  # the trajectory has passed its cut
    await keep(edge, await four)
    await seven
    six = await obtain(6, 6)  # from the held 4
    await keep(edge, six)
    return [await four, late, six, await seven, await obtain(9, 9)]  # from the held 6


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_frozen_shared_joined_late_and_resumed_twice(kind: tuple[str, str, str]) -> None:
    denoiser = opened(*kind)
    answers = with_edge(schedule, capacity=SIZE, staging=SIZE, denoiser=denoiser, rule=Wish(6))
    made = [(a.reuse, a.reused_step, a.edge_steps, a.frame.step) for a in answers]
    late = ("shared", 0, 0, 5 if denoiser.batched else 4)
    assert made == [
        ("computed", 0, 4, 4),
        late,
        ("resumed", 4, 2, 6),
        ("shared", 0, 3, 7),
        ("resumed", 6, 3, 9),
    ]
    assert answers[-1].frame.payload == uncut(denoiser, 9)
    for answer in answers:
        step = answer.frame.step
        reference = on_the_way(denoiser)[step] if denoiser.batched else uncut(denoiser, step)
        assert answer.frame.payload == reference, step


@dataclass(frozen=True)
class Plan:
    """One request of a random schedule: ticks after the one before, its cut and limit, and whether
    its output is kept."""

    ticks: int
    cut: int
    more: int
    kept: bool


PLANS = st.lists(
    st.builds(
        Plan,
        ticks=st.integers(0, 6) | st.just(20),
        cut=st.integers(1, STEPS),
        more=st.integers(0, 3),
        kept=st.booleans(),
    ),
    min_size=3,
    max_size=6,
)


@pytest.mark.parametrize("scheduler", ["dpm++2m", "euler-a"])
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(plans=PLANS)
def test_whatever_was_asked_for_before(scheduler: str, plans: list[Plan]) -> None:
    denoiser = opened("sd", scheduler, "batched")

    async def use(edge: Edge) -> list[Answer]:
        async def one(plan: Plan) -> Answer:
            limit = min(STEPS, plan.cut + plan.more)
            answer = await edge.obtain(wish(edge, plan.cut, limit, prompt=PROMPT), 10)
            assert plan.cut <= answer.frame.step <= limit
            if plan.kept:
                await edge.apply(CacheUpdate(((answer.frame.prompt_key, answer.frame.step),)))
            return answer

        flying = []
        for plan in plans:
            await asyncio.sleep(0.010 * plan.ticks + 0.001)
            flying.append(asyncio.create_task(one(plan)))
        return list(await asyncio.gather(*flying))

    for answer in with_edge(
        use, capacity=SIZE, staging=SIZE, denoiser=denoiser, rule=Wish(6), max_batch=1
    ):
        assert answer.frame.payload == on_the_way(denoiser)[answer.frame.step]
