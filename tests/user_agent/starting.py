"""A scenario whose users have start pictures."""

from __future__ import annotations

from midstep.scenario import Scenario
from midstep.scenario_file import parse
from tests import paced, tiny


def scenario(**changes: object) -> Scenario:
    tree = paced.tree(
        duration_s=8,
        model={
            "path": str(tiny.folder("sd")),
            "steps": 10,
            "split_step": 6,
            "profile": paced.profile_file(),
        },
        modes={"clock": "virtual", "denoiser": "real", "wire": "inprocess"},
        workload={"catalogue_size": 3, "start": {"share": 0.7, "strength": 0.6}},
        channel={"fading": False},
        report={"references": 20},
    )
    return parse({**tree, **changes})
