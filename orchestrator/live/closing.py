"""Closing a run's record: its tables, summary and report, and the exit status."""

from __future__ import annotations

import sys
from pathlib import Path

from midstep.errors import EXIT_MISSED
from midstep.scenario import Scenario
from orchestrator.live.announcer import headline, seed_line, truncation_line
from orchestrator.live.launch import Options
from orchestrator.live.target_files import write_target_files
from orchestrator.records import perfetto, summary
from orchestrator.records.kept_quality import checks_line
from orchestrator.records.recorder import Recorder
from orchestrator.records.run_files import policy_failures

__all__ = ["close_record"]


def close_record(
    folder: Path,
    scenario: Scenario,
    options: Options,
    recorder: Recorder,
    facts: summary.RunFacts,
    status: int,
) -> int:
    """Write what is left to write and print how the run ended; its exit status, where `status` is
    what it would be without thresholds. Raises OSError where the folder cannot be written."""
    write_target_files(folder, [])
    recorder.close()
    facts.policy_failures = policy_failures(folder)
    tree = summary.summarise(
        scenario,
        [row.dict() for row in recorder.rows.values()],
        [vars(slot) for slot in recorder.slots],
        recorder.events,
        facts,
    )
    policy = scenario.policy.name
    missed = summary.missed(tree, policy, scenario.thresholds)
    if status == 0 and (missed or (options.strict and tree["verdict"] != "VALID")):
        status = EXIT_MISSED
    tree["run"]["status"] = status
    summary.write(folder, tree)
    path = None
    if options.report:
        # it draws: half a second to import, and few runs of many need it
        from orchestrator.records import report

        path = report.write(folder)
    traces = [perfetto.write(folder)] if scenario.report.perfetto else []
    if not options.quiet:
        print(headline(tree, policy))
        if (line := truncation_line(recorder.rows.values())) is not None:
            print(line)
        if (line := checks_line([row.dict() for row in recorder.rows.values()])) is not None:
            print(line)
        if path is not None:
            print(f"report: {path}")
        for trace in traces:
            print(f"trace: {trace}")
        for line in missed:
            print(line, file=sys.stderr)
        if (line := seed_line(scenario, tree["verdict"], status, folder)) is not None:
            print(line)
    return status
