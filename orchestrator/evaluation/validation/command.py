"""`midstep validate SCENARIO`: simulator, virtual time and live runs of one scenario, side by
side."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from midstep.errors import EXIT_MISSED, OptionError, RecordError
from midstep.scenario import Scenario
from midstep.workload.requests import read_requests, with_requests
from orchestrator.evaluation.simulator.events import check
from orchestrator.evaluation.validation import page
from orchestrator.evaluation.validation.agreement import agreement
from orchestrator.evaluation.validation.explanation import explain
from orchestrator.evaluation.validation.loads import Point, points
from orchestrator.evaluation.validation.page import Finding
from orchestrator.evaluation.validation.roads import LIVE, SIMULATED, VIRTUAL, Roads
from orchestrator.records.folders import claim_folder, released_on_failure
from orchestrator.records.versions import versions

__all__ = ["Validation", "validate"]

MARKER = "validation.json"
RESULTS = ("validation.md", "table.csv", "points")


@dataclass(frozen=True, kw_only=True)
class Validation:
    """Options of `midstep validate`: `loads` of the edge, none for the scenario as it is; how many
    live `repetitions`, 0 for the roads without processes; `strict`: a missed bound is status 1;
    `command`, as it was typed."""

    loads: tuple[float, ...] = ()
    repetitions: int = 3
    out: str | None = None
    strict: bool = False
    command: str = ""


def validate(scenario: Scenario, options: Validation, roads: Roads) -> int:
    """Run a scenario on its roads at each operating point and print how far they agree; the exit
    status. What is known is on disk after each point. Raises MidstepError."""
    if options.repetitions < 0:
        raise OptionError(f"--repeat {options.repetitions}: give 0 (no live runs) or more")
    # a trace says how its requests arrive
    scenario = with_requests(scenario, read_requests(scenario))
    planned = points(scenario, options.loads)
    check(scenario)  # what one road cannot play is not begun on the others
    folder = claim_folder(f"validate-{scenario.name}", options.out, MARKER, RESULTS)
    run = _facts(scenario, options)
    findings: list[Finding] = []
    with released_on_failure(folder, MARKER):
        for point in planned:
            for finding in _compare(point, folder / "points", options, roads):
                findings.append(finding)
                print("\n".join(page.lines(finding)), flush=True)
                path = _write(folder, findings, run)
    verdict = page.verdict(findings)
    print(verdict)
    print(f"validation: {path}")
    return EXIT_MISSED if options.strict and verdict != "AGREE" else 0


def _write(folder: Path, findings: list[Finding], run: Mapping[str, Any]) -> Path:
    """What is known so far, on disk. Raises RecordError."""
    try:
        return page.write(folder, findings, run)
    except OSError as error:
        raise RecordError(f"{folder}: cannot be written: {error}") from error


def _compare(point: Point, folder: Path, options: Validation, roads: Roads) -> list[Finding]:
    """The comparisons at one point: the simulator against virtual time, and both against the live
    runs."""
    scenario = point.scenario
    is_open = not scenario.workload.arrivals.waits
    name = point.name.replace(" ", "-")
    _say(f"{point.name}: simulator")
    predicted = {SIMULATED: roads.simulated(scenario, folder / name / "simulated")}
    _say(f"{point.name}: virtual time")
    predicted[VIRTUAL] = roads.virtual(scenario, folder / name / "virtual")
    live = []
    for number in range(1, options.repetitions + 1):
        _say(
            f"{point.name}: live, {number} of {options.repetitions}, {scenario.duration_s:g} s each"
        )
        live.append(roads.live(scenario, folder / name / f"live-{number}"))
    measured = [(VIRTUAL, [predicted[VIRTUAL]])]
    if live:
        measured.append((LIVE, live))
    findings = []
    for title, records in measured:
        for prediction, record in predicted.items():
            if prediction == title:
                continue
            compared = agreement(
                prediction,
                (record.requests, record.slots),
                title,
                [(one.requests, one.slots) for one in records],
                is_open,
            )
            findings.append(
                Finding(
                    point=point,
                    agreement=compared,
                    explanation=explain(compared),
                    faults=[one.verdict for one in records if one.verdict != "VALID"],
                )
            )
    return findings


def _facts(scenario: Scenario, options: Validation) -> Mapping[str, Any]:
    return {
        "name": scenario.name,
        "command": options.command,
        "seed": scenario.seed,
        "policy": scenario.policy.name,
        "duration_s": scenario.duration_s,
        "arrivals": scenario.workload.arrivals.law,
        "repetitions": options.repetitions,
        "versions": versions(),
    }


def _say(text: str) -> None:
    print(f"midstep: {text}", file=sys.stderr, flush=True)
