"""Start pictures at an edge: their outputs serve who has the same picture and strength, and nobody
else; steps before the first are neither computed nor saved."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge_node.edge import Edge
from midstep.errors import PipelineMismatch, PromptError
from midstep.wire.identity import OutputKey, shared_seed
from midstep.wire.messages import Answer, Request
from midstep.wire.messages_control import CacheUpdate
from midstep.wire.start import Start
from tests import paced
from tests.edge_node.marked import MarkedDenoiser, mark, started
from tests.edge_node.world import with_edge

PROMPT = "a panda"
PIPELINE = paced.identity().digest()
SIDE = paced.identity().height
FIRST = 4  # of 10 steps the last 6 are left


def start(grey: int = 9, strength: float = 0.6, side: int = SIDE) -> Start:
    buffer = io.BytesIO()
    Image.fromarray(np.full((side, side, 3), grey, np.uint8)).save(buffer, "PNG")
    return Start(png=buffer.getvalue(), strength=strength)


def request(of: Start | None, limit: int = 8) -> Request:
    return Request(request_id="r", prompt=PROMPT, pipeline=PIPELINE, limit=limit, start=of)


def steps(answer: Answer) -> tuple[str, int, int, int, int]:
    assert answer.frame is not None
    return (
        answer.reuse,
        answer.frame.step,
        answer.reused_step,
        answer.edge_steps,
        answer.saved_steps,
    )


def payload(step: int, of: Start | None) -> bytes:
    seed = shared_seed(PROMPT, 7)
    return mark(PROMPT, seed if of is None else started(seed, of), step)


@pytest.mark.parametrize("batched", [True, False])
def test_an_output_serves_who_has_the_same_picture_and_strength_alone(batched: bool) -> None:
    async def use(edge: Edge) -> None:
        starts = [start(), start(grey=10), start(strength=0.7), None]
        first = await asyncio.gather(*(edge.obtain(request(one), 99) for one in starts))
        for answer, one in zip(first, starts, strict=True):
            before = 0 if one is None else one.first_step(10)
            assert steps(answer) == ("computed", 6, 0, 6 - before, 0)
            assert answer.frame is not None and answer.frame.payload == payload(6, one)
        keys = [OutputKey.of(PIPELINE, PROMPT, None, 7, "", one and one.key) for one in starts]
        digests = [key.digest() for key in keys]
        assert len({*digests}) == len(starts)
        await edge.apply(CacheUpdate(admit=((digests[0], 6),)))
        held = await edge.obtain(request(start()), 99)
        assert steps(held) == ("exact", 6, 6, 0, 2)
        for one in starts[1:]:  # they wait in staging, and are made again
            other = await edge.obtain(request(one), 99)
            assert other.reuse == "computed"
            assert other.frame is not None and other.frame.payload == payload(6, one)
        shared = await asyncio.gather(*(edge.obtain(request(start(11)), 99) for _ in range(2)))
        assert sorted(map(steps, shared)) == [("computed", 6, 0, 2, 0), ("shared", 6, 0, 0, 2)]

    with_edge(use, denoiser=MarkedDenoiser(batched=batched), capacity=10_000)


def test_a_cut_before_the_first_step_is_the_step_after_it() -> None:
    async def use(edge: Edge) -> None:
        weak = start(strength=0.3)  # begins at step 7, the rule cuts at 6
        assert steps(await edge.obtain(request(weak), 99)) == ("computed", 8, 0, 1, 0)

    with_edge(use, denoiser=MarkedDenoiser(batched=True))


@pytest.mark.parametrize(
    ("of", "limit", "error", "words"),
    [
        (start(), FIRST, PipelineMismatch, "reuse limit is step 4.* begins at step 4"),
        (start(side=8), 8, PromptError, "is 8 x 8 pixels, this pipeline draws"),
        (start(strength=1.5), 8, PromptError, "give one above 0"),
        (Start(png=b"GIF89a", strength=0.5), 8, PromptError, "is no PNG"),
    ],
)
def test_a_start_that_cannot_be_is_refused(
    of: Start, limit: int, error: type[Exception], words: str
) -> None:
    async def use(edge: Edge) -> None:
        with pytest.raises(error, match=words):
            await edge.obtain(request(of, limit), 99)

    with_edge(use, denoiser=MarkedDenoiser(batched=True))


@pytest.mark.parametrize(
    ("options", "words"),
    [({"coupled": True}, "coupled to a plan"), ({}, "a paced edge computes nothing")],
)
def test_an_edge_that_cannot_begin_from_pictures_says_so(
    options: dict[str, Any], words: str
) -> None:
    async def use(edge: Edge) -> None:
        with pytest.raises(PromptError, match=words):
            await edge.obtain(request(start()), 99)

    with_edge(use, **options)
