"""Learners' states."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random
from typing import Any

from midstep.clock import VirtualClock, run_virtual
from midstep.errors import OptionError
from midstep.scenario import Scenario
from midstep.scenario_file import parse
from orchestrator.live import checkpoint
from orchestrator.live.launch import Options
from orchestrator.live.learner_start import open_learner
from orchestrator.live.run import run
from orchestrator.live.setting import learner_setting
from tests import paced
from tests.edge_node.world import FRAME, ask, make_edge
from tests.fuzz.kind import Fault, Kind
from tests.fuzz.mutation import damaged, with_odd_leaf

__all__ = ["States"]

POLICIES = ("lru", "drc-item", "lfu-decay")
SLOTS = 3  # that a learner decides with a state that was believed


class States(Kind):
    """A learner's state with damage to its bytes, or one of its values odd under a checksum that is
    right."""

    name = "states"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._states: list[tuple[Scenario, bytes]] = []
        for policy in POLICIES:
            place = folder / policy
            scenario = parse(paced.tree(duration_s=8, policy={"name": policy}))
            assert run(scenario, Options(out=str(place), quiet=True, report=False)) == 0
            self._states.append((scenario, (place / "learner.ckpt").read_bytes()))

    def one(self, rng: Random) -> None:
        """Go on from one."""
        scenario, blob = rng.choice(self._states)
        hostile = rng.random() < 0.5
        if hostile:
            tree = checkpoint.unpack(blob)
            part = rng.choice(["policy", "policy", "backlog", "slot", "updates", "known"])
            try:
                data = checkpoint.pack({**tree, part: with_odd_leaf(tree.get(part), rng)})
            except ValueError as error:
                raise OptionError("no state can hold that") from error
        else:
            data = damaged(blob, rng)
        place = self.folder / "resumed"
        place.mkdir(exist_ok=True)
        (place / "learner.ckpt").write_bytes(data)
        state = checkpoint.of_run(place, learner_setting(scenario.at("edge-0"), None))
        if not hostile and state != blob:
            raise Fault("a damaged state was believed")
        run_virtual(_go_on(scenario, state))


async def _go_on(scenario: Scenario, state: bytes) -> None:
    """Let a learner open with the state and decide some slots."""
    edge = make_edge(VirtualClock())
    ticking: Any = asyncio.create_task(edge.engine.run())
    learner = await open_learner(scenario.at("edge-0"), edge, FRAME, state, beside=False)
    try:
        for slot in range(SLOTS):
            await edge.obtain(ask(edge, f"a panda {slot}"), 10)
            await learner.end_slot(slot, [])
        await learner.checkpoint({})
    finally:
        await learner.close()
        ticking.cancel()
