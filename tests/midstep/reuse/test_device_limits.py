"""Reuse limits by class of devices, each at its users' own quality."""

from __future__ import annotations

import pytest

from midstep.reuse.device_limits import open_device_limits
from midstep.reuse.limits import open_limits
from midstep.scenario_file import parse
from midstep.wire.messages import Quality
from midstep.workload.requests import UserRequest
from tests import paced

CORE = "a lion on a green background"
LARGE = "a large lion on a green background"
ON_TOP = "a lion at the top, on a green background"


def test_each_class_has_the_limits_of_its_own_floor() -> None:
    strict = {"metric": "ssim", "share": 0.9}
    tree = paced.tree(devices=[{"count": 1}, {"count": 1, "quality": strict}, {"count": 1}])
    limits = open_device_limits(parse(tree))
    usual, near, other = (limits.of(group) for group in range(3))
    assert usual is other
    assert usual.quality == Quality(metric="fidelity", floor=1.0, share=0.99)
    assert near.quality == Quality(metric="ssim", floor=0.9, share=0.9)
    assert near.limit(UserRequest(LARGE, CORE)) < usual.limit(UserRequest(LARGE, CORE))
    alone = open_limits(parse(paced.tree(reuse=strict)))
    assert near.by_class == alone.by_class


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        (UserRequest(CORE, CORE), "core"),
        (UserRequest(LARGE, CORE), "size"),
        (UserRequest(ON_TOP, CORE), "position"),
        (UserRequest(ON_TOP, CORE, variation_seed=3), "variation"),
        (UserRequest("a lion, oil on canvas", CORE), "words"),
    ],
)
def test_a_request_says_its_class(request_: UserRequest, kind: str) -> None:
    assert open_limits(parse(paced.TREE)).kind(request_) == kind
