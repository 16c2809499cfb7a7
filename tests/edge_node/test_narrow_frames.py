"""Frames in fewer bits on the edge: smaller in the store, and what goes on from one is no
original."""

from __future__ import annotations

from edge_node.edge import Edge
from midstep.wire.messages_control import CacheUpdate, Targets
from tests import paced
from tests.edge_node.world import FRAME, Wish, ask, keep, wish, with_edge


def narrow() -> paced.PacedDenoiser:
    denoiser = paced.denoiser(FRAME)
    denoiser.frame_numbers = "int8"
    return denoiser


def test_what_goes_on_from_a_narrow_frame_is_kept_by_nobody() -> None:
    async def use(edge: Edge) -> None:
        first = await edge.obtain(wish(edge, 3), 60)
        assert first.frame is not None and first.frame.nbytes == FRAME // 4
        await keep(edge, first)
        second = await edge.obtain(wish(edge, 6), 60)
        assert (second.reuse, second.edge_steps) == ("resumed", 3)
        assert len(edge.staging) == 0

    with_edge(use, rule=Wish(6), denoiser=narrow())


def test_what_the_plan_wants_comes_from_noise() -> None:
    async def use(edge: Edge) -> None:
        first = await edge.obtain(wish(edge, 3), 60)
        assert first.frame is not None
        await keep(edge, first)
        key = first.frame.prompt_key
        await edge.apply(CacheUpdate(targets=Targets(((key, 5),))))
        second = await edge.obtain(wish(edge, 6), 60)
        assert (second.reuse, second.edge_steps) == ("computed", 6)
        waiting = {entry.frame.step for entry in edge.staging.entries()}
        assert waiting == {5, 6}

    with_edge(use, rule=Wish(6), denoiser=narrow())


def test_whole_frames_go_on_as_originals() -> None:
    async def use(edge: Edge) -> None:
        await keep(edge, await edge.obtain(ask(edge, limit=3), 60))
        second = await edge.obtain(ask(edge), 60)
        assert second.reuse == "resumed" and len(edge.staging) == 1

    with_edge(use)
