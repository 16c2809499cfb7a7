"""Runs the checks and prints their findings."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, replace

from rich.console import Console
from rich.text import Text

from midstep.errors import EXIT_MISSED
from midstep.scenario import Scenario
from orchestrator.doctor import leftovers, machine, model, packages, tools
from orchestrator.doctor.findings import Check, Finding, PlannedRun, fail

__all__ = ["CHECKS", "Findings", "at_most", "doctor", "examine"]

CHECKS: dict[str, tuple[Check, ...]] = {
    "Python": (packages.python, packages.packages),
    "computing": (
        packages.torch,
        model.model,
        model.profile,
        model.reuse,
        machine.cores,
        machine.priority,
        machine.load,
    ),
    "processes": (
        packages.stubs,
        packages.ray,
        leftovers.leftovers,
        machine.memory,
        machine.files,
    ),
    "machine": (machine.clock, machine.disk, machine.ports),
    "beside it": (tools.prometheus, tools.grafana, tools.docker, tools.shaping),
}
STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}
Findings = dict[str, list[Finding]]


def doctor(plan: PlannedRun, as_json: bool = False) -> int:
    """Print what was found; 0 where what the planned run needs works, 1 where not."""
    plan = replace(plan, scenario=at_most(plan.scenario))
    findings_of = examine(plan)
    states: Counter[str] = Counter(
        finding.state for findings in findings_of.values() for finding in findings
    )
    if as_json:
        checks = [
            {"group": group, **asdict(finding)}
            for group, findings in findings_of.items()
            for finding in findings
        ]
        about = {
            "scenario": plan.scenario.name,
            "users": plan.scenario.users,
            "address": plan.cluster,
        }
        print(json.dumps({"works": not states["fail"], **about, "checks": checks}, indent=2))
    else:
        _print(plan, findings_of, states)
    return EXIT_MISSED if states["fail"] else 0


def at_most(scenario: Scenario) -> Scenario:
    """With as many users as its timeline ever lets the whole run have."""
    peak = scenario.users
    for event in scenario.timeline:
        peak = event.most_users(peak)
    return scenario.with_users(peak) if peak > scenario.users else scenario


def examine(plan: PlannedRun, checks: Mapping[str, Sequence[Check]] = CHECKS) -> Findings:
    """What every check found. Those that wait for others (a daemon, an import) do so side by
    side."""
    with ThreadPoolExecutor(1 if plan.deep else 8) as pool:
        coming: dict[Check, Future[list[Finding]]] = {}
        for check in sorted(
            (c for of in checks.values() for c in of), key=lambda check: check is not machine.clock
        ):
            coming[check] = pool.submit(_run_check, check, plan)
            if check is machine.clock:  # alone: what ran beside it would make its sleeps late
                coming[check].result()
        return {
            group: [one for check in of for one in coming[check].result()]
            for group, of in checks.items()
        }


def _run_check(check: Check, plan: PlannedRun) -> list[Finding]:
    try:
        return list(check(plan))
    except Exception as error:  # a doctor who falls ill helps nobody: the other checks still tell
        name = getattr(check, "__name__", "a check")
        return [fail(name, f"the check itself failed: {error!r}", "please report this")]


def _print(plan: PlannedRun, findings_of: Findings, states: Counter[str]) -> None:
    console = Console()
    for group, findings in findings_of.items():
        console.print(Text(group, style="bold"), soft_wrap=True)
        for one in findings:
            line = Text.assemble((f"  {one.state:5}", STYLES[one.state]), f"{one.name}: {one.text}")
            console.print(line.append(f" -> {one.do}" if one.do else ""), soft_wrap=True)
    scenario = plan.scenario
    run = f"{scenario.name} with {scenario.users} users, {scenario.modes.denoiser} denoising"
    verdict = "cannot run here" if states["fail"] else "can run here"
    console.print(
        Text(f"{run}: {verdict}; {states['fail']} fail, {states['warn']} warn, {states['ok']} ok"),
        soft_wrap=True,
    )
