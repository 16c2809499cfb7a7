"""The chaos test in small: one run with two blows, of a long series by
`python -m tests.chaos --runs 100`."""

from pathlib import Path

import pytest

from tests.chaos.operation import operate
from tests.chaos.plan import MOMENTS, PARTS, Blow, Plan, draw

pytestmark = pytest.mark.ray


def test_a_killed_host_and_then_a_killed_centre_lose_no_row_and_leave_no_process(
    tmp_path: Path,
) -> None:
    host = Blow(part="host", act="kill", moment="middle", wait_s=2.5, which=0.5)
    centre = Blow(part="centre", act="kill", moment="middle", wait_s=5.0, which=0.0)
    plan = Plan(
        seed=0,
        number=7,
        scenario="saturated",
        settings=("workload.arrivals={poisson: {per_user_per_minute: 30}}",),
        policy="lru",
        blows=(host, centre),
    )
    outcome = operate(plan, tmp_path / "run")
    assert outcome.faults == [], str(outcome)
    assert outcome.report == "afterwards" and outcome.lost > 0 and len(outcome.hit) == 2


def test_plans_cover_every_part_at_every_moment_and_replay() -> None:
    plans = [draw(1, number) for number in range(100)]
    hits = {(plan.blows[0].part, plan.blows[0].moment) for plan in plans}
    assert hits == {(part, moment) for part in PARTS for moment in MOMENTS}
    assert sum(len(plan.blows) == 2 for plan in plans) > 15
    assert plans == [draw(1, number) for number in range(100)]
    assert plans != [draw(2, number) for number in range(100)]
