"""Events come when they are due, as often as they say, as the seed draws them, and are undone."""

import asyncio
from typing import Any

import pytest

from midstep.clock import VirtualClock, run_virtual
from midstep.errors import PartDied
from midstep.events import Signal
from midstep.scenario_file import parse
from orchestrator.live.timeline import Happening, Timeline
from tests import paced

QUIET: dict[Signal, float | None] = {"p95_s": 1.0, "hit_ratio": None}


class Run:
    """Has users, and knows when they changed; has no room for 99."""

    def __init__(self) -> None:
        self.number = 4
        self.changes: list[tuple[float, int, str | None]] = []

    def users(self, edge: str | None = None) -> int:
        return self.number

    async def scale(self, users: int, edge: str | None = None) -> int:
        if users == 99:
            raise PartDied("no room")
        self.number = users
        self.changes.append((asyncio.get_running_loop().time(), users, edge))
        return users


def play(
    *timeline: dict[str, Any], slots: Any = (), seed: int = 7
) -> tuple[list[tuple[float, int]], list[Happening]]:
    """The changes that a timeline makes to a run of 60 s, and what is told of them; `slots` says
    the figures of the slot that ends at each second."""
    scenario = parse(paced.tree(timeline=list(timeline), duration_s=60))
    run = Run()
    news: list[Happening] = []

    async def main() -> None:
        clock = VirtualClock()
        clock.begin(0.0)
        follower = Timeline(
            scenario.timeline, clock, run, news.append, seed=seed, ends_s=scenario.duration_s
        )
        task = asyncio.create_task(follower.follow())
        for second in range(1, 61):
            await clock.sleep_until(second)
            follower.slot_ended({**QUIET, "queue": dict(slots).get(second, 0)})
        await asyncio.sleep(0)
        task.cancel()
        (failure,) = await asyncio.gather(task, return_exceptions=True)
        assert failure is None or isinstance(failure, asyncio.CancelledError), failure

    run_virtual(main())
    return [(at_s, users) for at_s, users, _ in run.changes], news


def test_events_come_in_the_order_of_their_instants_and_go_on_after_one_that_failed() -> None:
    changes, news = play(*({"at_s": at_s, "users": n} for at_s, n in ((5, 3), (1, 1), (2.5, 99))))
    assert changes == [(1, 1), (5, 3)]
    assert [(one.place, one.phase, one.text) for one in news] == [
        (1, "happened", "from 4 to 1 users"),
        (2, "failed", "it could not be done: no room"),
        (0, "happened", "from 1 to 3 users"),
    ]


def test_an_event_comes_again_until_its_end_and_is_undone_each_time() -> None:
    surge = {"kind": "surge", "at_s": 10, "users": 2, "every_s": 20, "for_s": 5, "until_s": 50}
    changes, news = play(surge)
    assert changes == [(10, 6), (15, 4), (30, 6), (35, 4)]
    assert [one.phase for one in news] == ["happened", "over"] * 2


def test_what_leaves_after_a_surge_is_what_came_with_it() -> None:
    surge = {"kind": "surge", "at_s": 10, "factor": 3, "for_s": 20}
    changes, _ = play(surge, {"at_s": 20, "users": 30})
    assert changes == [(10, 12), (20, 30), (30, 22)]


def test_what_would_be_over_after_the_runs_end_lasts_to_it() -> None:
    changes, news = play({"kind": "surge", "at_s": 50, "users": 2, "for_s": 10})
    assert changes == [(50, 6)] and len(news) == 1


def test_a_chance_is_drawn_from_the_seed_the_place_and_the_time() -> None:
    events = [
        {"kind": "surge", "at_s": 1, "users": 1, "every_s": 1, "chance": 0.3},
        {"kind": "surge", "at_s": 1.5, "users": 1, "every_s": 1, "chance": 0.3},
    ]
    whole = play(*events)[0]
    assert 20 < len(whole) < 55 and whole == play(*events)[0]
    assert whole != play(*events, seed=8)[0]
    first = [at_s for at_s, _ in whole if at_s % 1 == 0]
    assert first == [at_s for at_s, _ in play(events[0])[0]], "another event changes no draw"
    assert first != [at_s - 0.5 for at_s, _ in whole if at_s % 1]


def test_a_condition_is_looked_at_from_at_s_on_and_once() -> None:
    event = {"users": 9, "at_s": 20, "when": {"metric": "queue", "above": 5}}
    slots = {10: 8, 30: 5, 40: 6, 50: 7}
    assert play(event, slots=slots)[0] == [(40, 9)]
    assert play({**event, "until_s": 40}, slots=slots)[0] == []


def test_a_condition_that_holds_on_comes_again_after_every_s_at_the_earliest() -> None:
    surge = {
        "kind": "surge",
        "users": 1,
        "every_s": 7,
        "when": {"metric": "queue", "above": 5},
    }
    busy = dict.fromkeys(range(10, 30), 6)
    assert [at_s for at_s, _ in play(surge, slots=busy)[0]] == [10, 17, 24]


def test_what_is_not_known_meets_no_condition() -> None:
    for side in ("above", "below"):
        event = {"users": 9, "when": {"metric": "hit_ratio", side: 0.5}}
        assert play(event)[0] == []


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"users": 1, "for_s": 3}, "for_s: what a scale does is not undone"),
        ({"kind": "surge"}, "write users or factor, one of them"),
        ({"kind": "surge", "users": 1, "every_s": 3, "for_s": 3}, "comes every 3 s; let it last"),
        ({"users": 1, "every_s": 1e-9}, "every_s: it would come more than 10,000 times"),
        ({"users": 1, "until_s": 3}, "until_s: it happens once"),
        ({"users": 1, "when": {"metric": "queue"}}, "a condition has one side"),
        ({"users": 1, "when": {"metric": "moon", "above": 1}}, "when.metric: Input should be"),
        (
            {"kind": "dance"},
            "timeline.0.kind: there is no such event; known are bit_errors, capacity",
        ),
        ({"users": 1, "chances": 1}, "timeline.0.chances: unknown key; did you mean chance?"),
        ({"users": 1, "edge": "west"}, "timeline.0.edge: there is no edge west"),
    ],
)
def test_an_event_that_cannot_be_is_refused_in_one_line(event: dict[str, Any], reason: str) -> None:
    with pytest.raises(Exception, match=reason) as refusal:
        parse(paced.tree(timeline=[event]))
    assert "\n" not in str(refusal.value)
    assert str(refusal.value).startswith("scenario: timeline.0")
