"""What users who choose the fastest edge hold against it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from midstep.scenario_file import parse
from orchestrator.live.faults.choosing import Choosing
from tests import paced
from tests.orchestrator.records.record_rows import row


def test_what_a_users_own_link_takes_is_not_held_against_the_edge() -> None:
    tree = paced.tree(devices=[{"class": "phone", "count": 2, "choose": "fastest"}])
    world = SimpleNamespace(scenario=parse(tree))
    choosing = Choosing(cast("Any", world), cast("Any", None))
    one = row(0, link_wait_s=4.0, uplink_s=2.0, transfer_s=1.0, total_s=10.0)
    choosing._learn([one])
    assert choosing._spent_s == {(one.edge, one.device_class): pytest.approx(3.0)}
