"""The report's sections on frames that did not pass whole, and on the devices' energy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from midstep.scenario import Scenario
from midstep.telemetry.record import BATTERY_EMPTY
from orchestrator.records.markup import number, section, table

__all__ = ["air", "energy", "out_of_battery"]

Row = Mapping[str, Any]
Rows = Sequence[Row]


def out_of_battery(rows: Rows) -> set[tuple[str, int]]:
    """Class and number of the devices whose battery ran empty."""
    return {(row["device_class"], row["user"]) for row in rows if row.get("error") == BATTERY_EMPTY}


def air(rows: Rows) -> str:
    """The section on frames that were sent again and links that were down, by device class;
    nothing where all passed at once."""
    troubled = [row for row in rows if row.get("resent") or row.get("link_wait_s")]
    if not troubled:
        return ""
    lines = []
    for name, members in _by_class(rows):
        resent = [row["resent"] for row in members if row.get("resent") is not None]
        waits = [row["link_wait_s"] for row in members if row.get("link_wait_s")]
        lines.append(
            [
                name,
                f"{len(resent):,}",
                f"{sum(count > 0 for count in resent):,}",
                f"{sum(resent):,}",
                f"{max(resent, default=0):,}",
                f"{len(waits):,}",
                number(sum(waits) / len(waits) if waits else None, "{:.2f}"),
            ]
        )
    head = [
        "device class",
        "frames",
        "sent again",
        "times in all",
        "at most",
        "requests that waited for a link",
        "wait, mean (s)",
    ]
    return section("On the air", table(head, lines))


def energy(scenario: Scenario, rows: Rows, every: Rows) -> str:
    """The section on energy by device class; `every` row is of the warm-up, too, in which a
    battery may run empty. Nothing where nobody's devices take any."""
    if not any(row.get("joules") for row in rows):
        return ""
    empty = out_of_battery(every)
    lines = []
    for name, members in _by_class(rows):
        groups = [group for group in scenario.devices if group.kind == name]
        joules = [row["joules"] for row in members if row.get("joules") is not None]
        receiving = sum(row.get("receive_joules") or 0.0 for row in members)
        batteries = sum(kind == name for kind, _ in empty)
        runs_empty = any(group.battery_j is not None for group in groups)
        lines.append(
            [
                name,
                number(sum(joules) - receiving, "{:,.1f}"),
                number(receiving, "{:,.1f}"),
                number(sum(joules) / len(joules) if joules else None, "{:,.2f}"),
                f"{batteries:,}" if runs_empty else "mains",
            ]
        )
    head = [
        "device class",
        "computing (J)",
        "receiving (J)",
        "a request, mean (J)",
        "batteries empty",
    ]
    note = escape("As the scenario's classes have it: modelled, not measured.")
    return section("Energy of the devices", f"<p class=note>{note}</p>{table(head, lines)}")


def _by_class(rows: Iterable[Row]) -> list[tuple[str, list[Row]]]:
    by_class = defaultdict[str, list[Row]](list)
    for row in rows:
        by_class[str(row["device_class"])].append(row)
    return sorted(by_class.items())
