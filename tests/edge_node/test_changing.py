"""Changes of an edge that serves: its speed, its capacity, what it holds."""

from pathlib import Path

import pytest

from edge_node.changing import change_edge
from edge_node.edge import Edge
from edge_node.node import EdgeNode
from midstep.clock import VirtualClock, run_virtual
from midstep.events.changes import EdgeChange
from midstep.scenario_file import parse
from tests import paced
from tests.edge_node.world import FRAME, ask, keep, with_edge


async def store(edge: Edge, *prompts: str) -> None:
    for prompt in prompts:
        await keep(edge, await edge.obtain(ask(edge, prompt), 60))


def held(edge: Edge) -> list[str]:
    return [output.prompt for output in edge.store.snapshot()]


def test_an_edge_slowed_down_by_three_takes_three_times_as_long_and_then_as_long_as_before() -> (
    None
):
    async def use(edge: Edge) -> list[float]:
        took = []
        for factor in (1.0, 1 / 3, 1.0):
            change_edge(edge, EdgeChange(speed_factor=factor))
            began = edge.clock.now()
            await edge.obtain(ask(edge, f"panda {len(took)}"), 60)
            took.append(edge.clock.now() - began)
        return took

    alone_s = 6 * 0.010 + 0.002
    assert with_edge(use) == pytest.approx([alone_s, 3 * alone_s, alone_s])


def test_a_smaller_store_lets_go_what_came_first_and_a_larger_one_holds_more() -> None:
    async def use(edge: Edge) -> None:
        await store(edge, "a", "b", "c")
        assert change_edge(edge, EdgeChange(capacity=FRAME)) == 2
        assert held(edge) == ["c"]
        change_edge(edge, EdgeChange(capacity=4 * FRAME))
        await store(edge, "d", "e", "f")
        assert held(edge) == ["c", "d", "e", "f"]
        assert (await edge.snapshot()).capacity == 4 * FRAME
        edge.integrity.check()

    with_edge(use)


def test_a_wiped_edge_holds_nothing_and_serves_on() -> None:
    async def use(edge: Edge) -> None:
        await store(edge, "a", "b")
        await edge.obtain(ask(edge, "c"), 60)  # it waits in staging
        assert change_edge(edge, EdgeChange(wipe=True)) == 2
        assert not held(edge)
        assert not len(edge.staging)
        answer = await edge.obtain(ask(edge, "a"), 60)
        assert (answer.reuse, answer.edge_steps) == ("computed", 6)
        edge.integrity.check()

    with_edge(use)


def test_memory_lets_go_to_the_disk_and_a_wipe_reaches_disk_and_index(tmp_path: Path) -> None:
    settings = {"capacity": "32KiB", "staging": "64KiB", "disk": "1MiB", "disk_path": str(tmp_path)}
    tree = paced.tree(edges=[settings], reuse={"similar": "any"})

    async def use() -> None:
        node = await EdgeNode.open(parse(tree), VirtualClock())
        edge = node.edge
        await store(edge, "a panda", "a pig", "a cow")
        assert change_edge(edge, EdgeChange(capacity=9000)) == 2
        assert held(edge) == ["a cow"]
        assert edge.store.total == 3  # two are on disk
        edge.integrity.check()
        assert (await edge.obtain(ask(edge, "a panda"), 60)).reuse == "exact"
        assert change_edge(edge, EdgeChange(wipe=True)) == 3
        assert edge.store.total == 0
        edge.integrity.check()
        assert (await edge.obtain(ask(edge, "a panda"), 60)).reuse == "computed"
        await node.close()

    run_virtual(use())
