"""What a run's report and summary say of frames that were sent again, of energy and of empty
batteries."""

from __future__ import annotations

import re
from typing import Any

from midstep.scenario_file import parse
from midstep.telemetry.record import BATTERY_EMPTY
from orchestrator.records.air_and_energy import air, energy
from orchestrator.records.summary import metrics
from tests import paced
from tests.orchestrator.records.record_rows import row

CLASSES = [
    {"class": "phone", "count": 3, "battery_j": 20, "receive_nj_per_bit": 100},
    {"class": "laptop", "count": 1},
]
SCENARIO = parse(paced.tree(devices=CLASSES))


def rows() -> list[dict[str, Any]]:
    empty = {"result": "failed", "error": BATTERY_EMPTY, "joules": 2.0, "receive_joules": 0.5}
    return [
        row(0, joules=8.0, receive_joules=1.0, resent=3, link_wait_s=0.0).dict(),
        row(1, joules=9.0, receive_joules=0.5, resent=0, link_wait_s=2.5).dict(),
        row(1, **empty).dict(),
        {**row(2, joules=4.0, receive_joules=0.0, resent=0).dict(), "device_class": "laptop"},
    ]


def cells(page: str) -> list[list[str]]:
    lines = re.findall(r"<tr>(.*?)</tr>", page)
    return [re.findall(r"<td>(.*?)</td>", line) for line in lines][1:]


def test_the_report_has_energy_and_batteries_by_class() -> None:
    laptop, phone = cells(energy(SCENARIO, rows(), rows()))
    assert laptop == ["laptop", "4.0", "0.0", "4.00", "mains"]
    assert phone == ["phone", "17.0", "2.0", "6.33", "1"]
    assert energy(SCENARIO, [row(0).dict()], []) == ""


def test_the_report_says_what_was_sent_again_and_who_waited() -> None:
    laptop, phone = cells(air(rows()))
    assert laptop == ["laptop", "1", "0", "0", "0", "0", "–"]
    assert phone == ["phone", "2", "1", "3", "3", "1", "2.50"]
    assert air([row(0).dict()]) == ""


def test_the_summary_has_the_means_and_the_count() -> None:
    figures = metrics(rows(), [], {})
    assert figures["joules"]["mean"] == 7.0
    assert figures["receive_joules"]["mean"] == 0.5
    assert figures["resent"]["mean"] == 1.0
    assert figures["batteries_empty"]["mean"] == 1.0
