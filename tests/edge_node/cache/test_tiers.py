"""A disk tier behind an edge's store: what leaves memory is found, also by the next process."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from edge_node.cache.disk import DiskTier
from edge_node.cache.disk_file import DiskFile
from edge_node.cache.disk_head import Contents
from edge_node.node import EdgeNode
from midstep.clock import Clock, VirtualClock, WallClock, run_virtual
from midstep.errors import ScenarioError
from midstep.scenario_file import parse
from midstep.wire.messages import Quality
from midstep.wire.messages_control import Access, CacheUpdate
from orchestrator.decision.problem import Problem
from orchestrator.live.launch import Options
from orchestrator.live.run import run
from orchestrator.policies.kinds.driver import RuleDriver
from orchestrator.policies.lru import Lru
from tests import paced
from tests.edge_node import world
from tests.edge_node.cache.tiered_world import DISK, PIPELINE, TieredWorld, embed, make

PROMPTS = [f"prompt {number}" for number in range(8)]


def tree(folder: Path, **changes: Any) -> dict[str, Any]:
    edge = {"capacity": "16KiB", "staging": "64KiB", "disk": "1MiB", "disk_path": str(folder)}
    return paced.tree(edges=[edge], **changes)


async def ask(node: EdgeNode, prompt: str) -> Any:
    return await node.edge.obtain(world.ask(node.edge, prompt), 60)


async def opened(folder: Path, **changes: Any) -> EdgeNode:
    return await EdgeNode.open(parse(tree(folder, **changes)), VirtualClock())


def test_what_left_memory_is_served_without_a_step_also_after_a_restart(tmp_path: Path) -> None:
    async def first() -> list[Any]:
        node = await opened(tmp_path)
        answers = []
        for prompt in PROMPTS:
            answer = await ask(node, prompt)
            answers.append(answer)
            store = node.edge.store
            # the store has room for two
            evict = tuple(output.prompt_key for output in store.snapshot()[: len(store) // 2])
            await world.keep(node.edge, answer) if not evict else await node.edge.apply(
                CacheUpdate(((answer.frame.prompt_key, answer.frame.step),), evict)
            )
            node.edge.integrity.check()
        again = await ask(node, PROMPTS[0])
        assert (again.reuse, again.edge_steps) == ("exact", 0)
        assert again.frame == answers[0].frame
        await node.close()
        return answers

    async def second(answers: list[Any]) -> None:
        node = await opened(tmp_path)
        assert len(node.edge.store) == 0
        for prompt, before in zip(PROMPTS, answers, strict=True):
            answer = await ask(node, prompt)
            assert (answer.reuse, answer.edge_steps) == ("exact", 0), prompt
            assert answer.frame == before.frame
        node.edge.integrity.check()
        await node.close()

    run_virtual(second(run_virtual(first())))


def test_a_rule_lets_memory_have_back_what_was_served_from_disk(tmp_path: Path) -> None:
    async def use() -> None:
        node = await opened(tmp_path)
        edge = node.edge
        policy = Lru()
        policy.reset(Problem(edge.store.capacity, 20, 6), 0)
        seen: list[Access] = []
        for prompt in [*PROMPTS, PROMPTS[0]]:
            async with world.accesses(edge) as accesses:
                await ask(node, prompt)
            seen += accesses
            await edge.apply(policy.on_access(accesses[0]))
            edge.integrity.check()
        assert [access.staged for access in seen] == [False] * 8 + [True]
        assert seen[-1].hit and edge.store.lookup(seen[0].prompt_key, 6) is not None
        await node.close()

    run_virtual(use())


@pytest.mark.parametrize("virtual", [True, False], ids=["virtual", "live"])
@pytest.mark.parametrize("step", [6, 4], ids=["handed over", "gone on from"])
def test_a_rule_lets_memory_have_back_a_donor_that_was_on_disk(
    step: int, virtual: bool, tmp_path: Path
) -> None:
    lion, tiger = "a lion on a beach", "a tiger on a beach"

    async def use(clock: Clock) -> None:
        reuse = {"similar": "any", "embedding": "words", "check_share": 0}
        node = await EdgeNode.open(parse(tree(tmp_path, reuse=reuse)), clock)
        edge = node.edge
        driver = RuleDriver(Lru())
        driver.policy.reset(Problem(edge.store.capacity, 20, 6), 0)

        async def shown(prompt: str, **changes: Any) -> tuple[Access, CacheUpdate]:
            async with world.accesses(edge) as seen:
                await edge.obtain(world.ask(edge, prompt, **changes), 60)
            update = driver.access(seen[0])
            result = await edge.apply(update)
            assert result.refused == 0
            edge.integrity.check()
            return seen[0], update

        first, _ = await shown(lion, limit=step)
        for other in ("seven boats", "eight boats"):  # the store has room for two
            await shown(other, limit=3)
        donor = first.prompt_key, step
        assert edge.store.lookup(*donor) is None
        digest = await edge.digest(0)
        wanted = {"quality": Quality(metric="psnr", floor=20, share=0.5)}

        access, update = await shown(tiger, **wanted)
        assert access.reuse == ("similar" if step == 6 else "resumed")
        assert (access.staged, access.donor_key, access.nbytes) == (True, donor[0], first.nbytes)
        assert update.admit == (donor,)
        hit = edge.store.lookup(*donor)
        assert hit is not None
        assert (hit.step, hit.entry.prompt) == (step, lion)
        assert edge.staging.peek(*donor) is None
        names = {output.prompt_key for output in (*edge.store.snapshot(), *edge.staging.snapshot())}
        assert access.prompt_key not in names  # what is made of a donor is nobody's original
        assert (await edge.digest(digest.state)).held is None  # lends what it lent before

        access, update = await shown(tiger, **wanted)
        assert (access.donor_key, access.staged, update) == (donor[0], False, CacheUpdate())
        await node.close()

    if virtual:
        run_virtual(use(VirtualClock()))
    else:
        asyncio.run(use(WallClock(100.0)))


def test_a_donor_that_memory_has_back_meanwhile_does_not_wait_again(tmp_path: Path) -> None:
    async def use() -> None:
        node = await opened(tmp_path, reuse={"similar": "any", "embedding": "words"})
        edge = node.edge
        lion = await edge.obtain(world.ask(edge, "a lion on a beach", limit=4), 60)
        donor = lion.frame.prompt_key, 4
        await world.keep(edge, lion)
        await edge.apply(CacheUpdate((), (donor,)))
        quality = Quality(metric="psnr", floor=20, share=0.5)
        async with world.accesses(edge) as seen:
            tasks = []
            for prompt in ("a tiger on a beach", "a lynx on a beach"):
                request = world.ask(edge, prompt, quality=quality)
                tasks.append(asyncio.create_task(edge.obtain(request, 60)))
                await asyncio.sleep(0.01)
            assert edge.staging.peek(*donor) is None  # both are on their way
            await tasks[0]
            await world.keep(edge, lion)
            await tasks[1]
        assert [access.donor_key for access in seen] == [donor[0]] * 2
        assert [access.staged for access in seen] == [True, False]
        assert len(edge.staging) == 0
        edge.integrity.check()
        await node.close()

    run_virtual(use())


def test_the_next_run_begins_warm(tmp_path: Path) -> None:
    def saved(name: str) -> float:
        out = tmp_path / name
        changed = tree(tmp_path / "disk", duration_s=20, reuse={"frame": "float16"})
        assert run(parse(changed), Options(out=str(out))) == 0
        summary = json.loads((out / "summary.json").read_text())
        return float(summary["policies"]["lru"]["saved_steps"]["mean"])

    assert saved("cold") < saved("warm")


def test_a_folder_of_another_pipeline_or_another_edge_is_refused_in_one_line(
    tmp_path: Path,
) -> None:
    async def use() -> None:
        node = await opened(tmp_path)
        with pytest.raises(ScenarioError, match=r"disk_path: .* another edge is using it"):
            await opened(tmp_path)
        await node.close()
        with pytest.raises(ScenarioError, match=r"holds outputs of pipeline") as error:
            await opened(tmp_path, model={**paced.TREE["model"], "guidance": 5})
        assert "\n" not in str(error.value)
        with pytest.raises(ScenarioError, match=r"disk_path: .* holds outputs of numbers float32"):
            await opened(tmp_path, reuse={"frame": "float16"})
        node = await opened(tmp_path)
        await node.close()

    run_virtual(use())


def test_a_disk_that_cannot_hold_one_output_is_refused_in_one_line() -> None:
    async def use() -> None:
        scenario = parse(paced.tree(edges=[{"capacity": "16KiB", "disk": 10}]))
        with pytest.raises(ScenarioError, match=r"edges\.N\.disk .* 10 bytes cannot hold") as error:
            await EdgeNode.open(scenario, VirtualClock())
        assert "\n" not in str(error.value)

    run_virtual(use())


def test_a_folder_that_ends_with_the_run_is_removed(tmp_path: Path) -> None:
    async def use() -> Path:
        scenario = parse(paced.tree(edges=[{"capacity": "16KiB", "disk": "1MiB"}]))
        node = await EdgeNode.open(scenario, VirtualClock())
        folder: Path = node.edge.store.disk.file.path  # type: ignore[attr-defined]
        assert (folder / "data.mdb").is_file()
        await node.close()
        return folder

    assert not run_virtual(use()).exists()


@pytest.mark.parametrize("embedded", [True, False], ids=["with its embedding", "without"])
def test_a_like_prompt_is_served_from_the_disk_of_an_earlier_run(
    tmp_path: Path, embedded: bool
) -> None:
    reuse = {"similar": "any", "embedding": "words"}
    wanted = Quality(metric="psnr", floor=20, share=0.5)

    async def first() -> Any:
        node = await opened(tmp_path, reuse=reuse if embedded else {})
        answer = await ask(node, "a panda on a beach")
        await world.keep(node.edge, answer)
        await node.edge.apply(CacheUpdate((), (answer.frame.prompt_key,)))
        await node.close()
        return answer

    async def second(held: Any) -> None:
        node = await opened(tmp_path, reuse=reuse)
        request = world.ask(node.edge, "a lion on a beach", quality=wanted)
        answer = await node.edge.obtain(request, 60)
        assert (answer.reuse, answer.edge_steps) == ("similar", 0)
        assert (answer.donor_prompt, answer.frame) == ("a panda on a beach", held.frame)
        (staged,) = node.edge.staging.snapshot()  # under its own key alone
        assert (staged.prompt_key, staged.prompt) == (held.frame.prompt_key, answer.donor_prompt)
        own = await ask(node, "a panda on a beach")
        assert own.reuse == "exact"
        await world.keep(node.edge, own)
        # from memory, too
        assert (await node.edge.obtain(request, 60)).reuse == "similar"
        node.edge.integrity.check()
        await node.close()

    run_virtual(second(run_virtual(first())))


def test_vectors_of_another_embedder_are_not_taken(tmp_path: Path) -> None:
    def held(embedder: str) -> list[Any]:
        file = DiskFile(tmp_path, DISK, Contents(pipeline=PIPELINE, embedder=embedder))
        tier = DiskTier(file, None)
        tier.open()
        if not tier.index.names():
            tier.put(make("a panda", 4, 1, 100))
        vectors = [one.embedding for one in tier.held()]
        run_virtual(tier.close())
        return vectors

    (own,) = held("words 16 ab")
    assert (own == embed("prompt of a panda")).all()
    assert held("words 16 cd") == [None]  # of that name and length, and another one
    assert len(held("words 16 ab")) == 1


@pytest.mark.parametrize("order", [(4, 8), (8, 4)], ids=["low first", "high first"])
def test_room_for_one_step_of_an_evicted_prompt_costs_no_index_row_of_another(
    order: tuple[int, int], tmp_path: Path
) -> None:
    """A step in memory whose older copy leaves the disk meanwhile was forgotten by the index."""

    async def use() -> None:
        world = TieredWorld(tmp_path, several=True, memory=60_000, disk=45_000)
        cache = world.cache
        for key, step in (("a", 4), ("b", 1), ("c", 1)):
            cache.admit(make(key, step, 0, 10_000))
            cache.evict(key, step)
        for step in order:
            cache.admit(make("a", step, 1, 10_000))
        assert cache.evict("a") == 2
        cache.check()
        await cache.close()

    run_virtual(use())
