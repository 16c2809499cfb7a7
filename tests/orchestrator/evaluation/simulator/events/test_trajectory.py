"""A trajectory that several requests share, by hand: where each leaves, what each is charged."""

from __future__ import annotations

from midstep.radio.fading import DeviceSpec
from midstep.wire.messages_control import CachedOutput
from midstep.workload.requests import UserRequest
from orchestrator.evaluation.simulator.events.asking import Asking, DeviceState
from orchestrator.evaluation.simulator.events.trajectory import Passenger, Trajectory


def passenger(cut: int) -> Passenger:
    spec = DeviceSpec(
        user=0,
        group=0,
        kind="phone",
        edge="edge-0",
        speed_ratio=0.1,
        bandwidth_hz=1e6,
        distance_m=100.0,
        watts=1.0,
    )
    one = Asking(
        device=0,
        spec=spec,
        index=0,
        wanted=UserRequest("a lion", "a lion"),
        edge_prompt="a lion",
        core_prompt=None,
        reuse_class="core",
        limit=20,
        quality=None,
        state=DeviceState(rate_bps=1e6, step_s=0.1, backlog_s=0.0),
        arrived_s=0.0,
    )
    return Passenger(one=one, cut=cut)


def begun(*cuts: int, start: int = 0) -> tuple[Trajectory, list[Passenger]]:
    """A trajectory and those who wait for it."""
    output = CachedOutput("k", "a lion", start, 1)
    trajectory = Trajectory(
        output=output, original=True, target=0, queued_s=0.0, step=start, until=start
    )
    passengers = [passenger(cut) for cut in cuts]
    for one in passengers:
        trajectory.join(one)
    return trajectory, passengers


def test_each_leaves_at_its_own_cut_and_pays_for_what_it_was_the_first_to_need() -> None:
    trajectory, (first, second, third) = begun(4, 6, 3, start=2)
    assert trajectory.until == 6
    assert trajectory.advance() == [third]
    assert trajectory.advance() == [first]
    assert trajectory.advance() == [] and not trajectory.over
    late = passenger(9)
    trajectory.join(late)  # the trajectory goes on for it
    assert trajectory.advance() == [second] and not trajectory.over
    assert [trajectory.advance(), trajectory.advance(), trajectory.advance()] == [[], [], [late]]
    assert trajectory.over
    charged = [trajectory.edge_steps(one) for one in (first, second, third, late)]
    assert charged == [2, 2, 0, 3]
    assert sum(charged) == trajectory.step - trajectory.start


def test_a_cut_that_has_been_passed_is_served_from_the_steps_on_the_way() -> None:
    trajectory, _ = begun(10, start=2)
    assert trajectory.serves(cut=1, limit=20) == 2  # the held output that it goes on from
    for _ in range(3):
        trajectory.advance()
    assert trajectory.step == 5
    assert trajectory.serves(cut=6, limit=6) == 6  # its tick runs
    assert trajectory.serves(cut=4, limit=20) == 5
    assert trajectory.serves(cut=3, limit=4) == 4
    assert trajectory.serves(cut=1, limit=1) is None  # it has never been there
    assert not trajectory.gives(limit=1) and trajectory.gives(limit=2)
    passed = passenger(5)
    trajectory.join(passed)
    assert passed not in trajectory.waiting
    assert trajectory.edge_steps(passed) == 0


def test_who_gives_up_needs_no_step_and_pays_for_none() -> None:
    trajectory, (first, second) = begun(9, 4)
    trajectory.advance()
    trajectory.leave(first)
    assert trajectory.until == 4
    for _ in range(3):
        leaving = trajectory.advance()
    assert leaving == [second] and trajectory.over
    assert trajectory.edge_steps(second) == 4
    alone, (only,) = begun(9)
    alone.leave(only)
    assert alone.over
