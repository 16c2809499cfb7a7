"""What the record says of events: windows around them, and when the run was as before again."""

from typing import Any

import pytest

from midstep.scenario_file import parse
from orchestrator.records.event_effects import effects, effects_section
from tests import paced
from tests.orchestrator.records.record_rows import row, slot

EVENT = {"at_s": 30.0, "text": "surge: <b>", "kind": "surge", "place": 0, "phase": "happened"}
OVER = {**EVENT, "at_s": 42.0, "phase": "over"}
DEATH = {"at_s": 29.0, "text": "host-0 died", "kind": None, "place": None, "phase": None}
SCENARIO = parse(paced.tree(duration_s=90, slot_seconds=1))


def rows(*bad: int, end_s: int = 90, **changes: Any) -> list[dict[str, Any]]:
    """Two requests that end in each second, served by a held output within a second; those of the
    seconds `bad` have `changes`."""
    columns = [
        {"reuse": "exact", "total_s": 1.0, **(changes if second in bad else {})}
        for second in range(end_s)
        for _ in range(2)
    ]
    return [
        row(n, arrived_s=n // 2 + 0.5 - (one["total_s"] or 0.0), **one).dict()
        for n, one in enumerate(columns)
    ]


def slots() -> list[dict[str, Any]]:
    """Slots with one request that waits at each of two edges, in the 10 s after 30 s three."""
    return [
        {**vars(slot(n)), "edge": edge, "queue_s": 0.1 * n, "edge_queue": 3 if 30 <= n < 40 else 1}
        for n in range(90)
        for edge in ("north", "south")
    ]


def only(entries: list[dict[str, Any]]) -> dict[str, Any]:
    (entry,) = entries
    return entry


def test_the_ten_seconds_before_and_after_are_told_apart() -> None:
    table = rows(*range(32, 36), total_s=3.0, reuse="computed", result="done")
    # sent before the event, and failed by it
    table += rows(31, end_s=32, result="failed", total_s=None, slot=31)[-2:]
    for lost in table[-2:]:
        lost["arrived_s"] = 29.0
    entry = only(effects(SCENARIO, table, slots(), [DEATH, EVENT, OVER]))
    assert entry["before"] == {
        "requests": 20,
        "lost": 0,
        "p95_s": 1.0,
        "hit_ratio": 1.0,
        "waiting": 2.0,
        "backlog_s": pytest.approx(2.45),
    }
    after = entry["after"]
    assert (after["requests"], after["lost"], after["p95_s"]) == (20, 2, 3.0)
    assert after["hit_ratio"] == 0.6 and after["waiting"] == 6.0
    assert entry["over_s"] == 42.0


def test_the_run_is_as_before_from_the_first_window_that_is() -> None:
    slow = rows(*range(30, 45), total_s=1.5)
    assert only(effects(SCENARIO, slow, slots(), [EVENT]))["back_s"] == 15.0
    nearly = rows(*range(30, 45), total_s=1.05)
    assert only(effects(SCENARIO, nearly, slots(), [EVENT]))["back_s"] == 0.0
    missed = rows(*range(30, 45), reuse="computed")
    assert only(effects(SCENARIO, missed, slots(), [EVENT]))["back_s"] == 14.0, "one in ten may"


def test_a_run_that_is_not_as_before_until_its_end_says_so() -> None:
    table = rows(*range(30, 90), reuse="computed")
    entry = only(effects(SCENARIO, table, slots(), [EVENT]))
    assert entry["back_s"] is None and entry["over_s"] is None
    page = effects_section([entry])
    assert "not before the end" in page and "&lt;b&gt;" in page and "100% → 0%" in page


def test_of_an_event_before_the_first_request_nothing_is_known_and_others_have_no_line() -> None:
    first = {**EVENT, "at_s": 0.0}
    entry = only(effects(SCENARIO, rows(), slots(), [first, {**EVENT, "phase": "failed"}, DEATH]))
    assert entry["before"]["p95_s"] is None and entry["back_s"] is None
    assert "not before the end" not in effects_section([entry])
    assert effects_section([]) == ""
