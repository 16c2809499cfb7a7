"""A learner's supervisor: deaths, the one that takes over, and the state that it goes on from."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from midstep.errors import PartDied, PolicyFailed, ScenarioError
from midstep.scenario import Scenario
from orchestrator.decision.problem import Served
from orchestrator.live.observer import Observer
from orchestrator.live.slot_decision import Decision
from orchestrator.live.supervisor import EVERY, RESTARTS, LearnerSupervisor
from orchestrator.records.recorder import Recorder

DECISION = cast(Decision, object())
SETTING = {"seed": 7}


@dataclass
class FakeLearner:
    """Dies when it is told to; its state says how many slots it has seen, and whose it was."""

    process_id: int
    name: str = "the learner"
    slots: int = 0
    fails: Exception | None = None
    unkeepable: bool = False

    async def end_slot(self, slot: int, served: list[Served]) -> Decision:
        if self.fails is not None:
            raise self.fails
        self.slots += 1
        return DECISION

    async def checkpoint(self, setting: Mapping[str, Any]) -> bytes:
        assert setting == SETTING
        if self.unkeepable:
            raise PolicyFailed("policy tiny: its state cannot be kept")
        if self.fails is not None:
            raise self.fails
        return f"{self.process_id}:{self.slots}".encode()


@dataclass
class World:
    """A supervisor, the learners that were started, and what it announced."""

    recorder: Recorder
    saved: bytes | None = None
    alone: bool = False
    start: asyncio.Event = field(default_factory=asyncio.Event)
    refuse: Exception | None = None
    began_with: list[bytes | None] = field(default_factory=list)
    died: list[str] = field(default_factory=list)
    happened: list[str] = field(default_factory=list)
    renewed: int = 0

    def __post_init__(self) -> None:
        self.learners = [FakeLearner(1)]
        cell: Any = SimpleNamespace(
            name="edge-0",
            learner=self.learners[0],
            another=None if self.alone else self.another,
            learner_pause=None,
            learner_is_paused=False,
        )
        observer = Observer(
            announce=self.happened.append, death=self.died.append, renew_targets=self.count
        )
        self.supervisor = LearnerSupervisor(cell, self.recorder, observer, self.saved, SETTING)

    def count(self) -> None:
        self.renewed += 1

    async def another(self, saved: bytes | None) -> FakeLearner:
        self.began_with.append(saved)
        await self.start.wait()
        if self.refuse is not None:
            raise self.refuse
        self.learners.append(FakeLearner(len(self.learners) + 1))
        return self.learners[-1]

    async def slots(self, *numbers: int) -> list[bool]:
        """Which of these slots were decided."""
        decided = []
        for number in numbers:
            decided.append(await self.supervisor.decide(number, []) is not None)
            for _ in range(3):
                await asyncio.sleep(0)
        return decided

    def kill(self) -> None:
        self.learners[-1].fails = PartDied("the learner died")

    def file(self) -> bytes:
        return (self.recorder.folder / "learner.ckpt").read_bytes()


@pytest.fixture
def recorder(scenario: Scenario, tmp_path: Path) -> Iterator[Recorder]:
    recorder_of_run = Recorder(tmp_path / "run", scenario)
    yield recorder_of_run
    recorder_of_run.close()


async def test_a_dead_learner_is_replaced_from_its_last_state_while_slots_go_on(
    recorder: Recorder,
) -> None:
    world = World(recorder)
    assert all(await world.slots(*range(EVERY + 3)))
    assert world.file() == b"1:%d" % EVERY
    world.kill()
    assert await world.slots(13, 14, 15) == [False] * 3  # nobody waits for the start
    assert world.died == [
        "the learner died: the edge goes on with the last plan, another learner is started (1 of 3)"
    ]
    assert world.began_with == [b"1:%d" % EVERY]
    world.start.set()
    await asyncio.sleep(0)
    assert await world.slots(16, 17) == [True] * 2
    assert (
        world.happened == ["another learner (pid 2) goes on from its state after slot 9"]
        and world.renewed == 1
    )
    await world.supervisor.close()
    assert world.file() == b"2:2"
    assert not list(recorder.folder.glob("*.tmp"))


async def test_a_death_before_any_state_was_kept_begins_again_from_what_the_run_began_with(
    recorder: Recorder,
) -> None:
    for saved, origin in (
        (None, "nothing, as no state had been kept"),
        (b"old", "the state that the run began with"),
    ):
        world = World(recorder, saved)
        world.start.set()
        world.kill()
        assert await world.slots(0, 1) == [False, True]
        assert world.began_with == [saved] and world.happened[-1].endswith(f"goes on from {origin}")


async def test_a_learner_that_keeps_dying_is_given_up(recorder: Recorder) -> None:
    world = World(recorder)
    world.start.set()
    for _ in range(RESTARTS + 1):
        world.kill()
        await world.slots(1)
        await world.slots(2)
    assert len(world.died) == RESTARTS + 1 and len(world.learners) == RESTARTS + 1
    assert (
        world.died[-1]
        == "the learner died: the edge goes on with what it holds; 3 others were started before, "
        "no more are"
    )
    assert await world.slots(3) == [False]


async def test_one_that_cannot_be_started_counts_too(recorder: Recorder) -> None:
    world = World(recorder, refuse=ScenarioError("the cluster has no free CPU"))
    world.start.set()
    world.kill()
    await world.slots(*range(8))
    assert len(world.began_with) == RESTARTS
    assert world.died[1].startswith(
        "no other learner (the cluster has no free CPU): the edge goes on"
    )


@pytest.mark.parametrize(
    ("fails", "alone"), [(PolicyFailed("policy tiny failed"), False), (PartDied("gone"), True)]
)
async def test_a_policy_that_failed_and_a_learner_without_a_process_are_not_replaced(
    recorder: Recorder, fails: Exception, alone: bool
) -> None:
    world = World(recorder, alone=alone)
    world.learners[0].fails = fails
    assert await world.slots(0, 1, 2) == [False] * 3
    assert (
        world.died == [f"{fails}: the edge goes on with what it holds"] and world.began_with == []
    )


async def test_the_last_state_stays_where_the_learner_is_dead_at_the_end(
    recorder: Recorder,
) -> None:
    world = World(recorder)
    await world.slots(*range(EVERY))
    world.kill()
    await world.slots(10)
    await world.supervisor.close()  # while another one is being started
    assert world.file() == b"1:%d" % EVERY


async def test_a_state_that_cannot_be_kept_is_told_once(recorder: Recorder) -> None:
    world = World(recorder)
    world.learners[0].unkeepable = True
    assert all(await world.slots(*range(3 * EVERY)))
    await world.supervisor.close()
    assert world.happened == ["policy tiny: its state cannot be kept"] and world.died == []
