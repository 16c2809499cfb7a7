"""What a run leaves when it has ended: its tables, summary and report, and its exit status."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from midstep.errors import EXIT_MISSED
from midstep.scenario import Scenario
from orchestrator.live.announcer import headline
from orchestrator.live.launch import Options
from orchestrator.live.target_files import write_target_files
from orchestrator.records import report, summary
from orchestrator.records.recorder import Recorder

__all__ = ["RunFacts", "close_record"]


@dataclass(kw_only=True)
class RunFacts:
    """What the centre knows of a run beside its rows. `step_s`: each edge's seconds for one step of
    one request; `pipeline`: the identity of its outputs; `cpu`: the machine's busy share."""

    step_s: dict[str, float] = field(default_factory=dict)
    pipeline: dict[str, Any] | None = None
    cpu: float | None = None
    wall_s: float = 0.0


def close_record(
    folder: Path,
    scenario: Scenario,
    options: Options,
    recorder: Recorder,
    facts: RunFacts,
    status: int,
) -> int:
    """Write what is left to write and print how the run ended; its exit status, where `status` is
    what it would be without thresholds. Raises OSError where the folder cannot be written."""
    write_target_files(folder, [])
    recorder.close()
    tree = summary.summarise(
        scenario,
        [row.dict() for row in recorder.rows.values()],
        [vars(slot) for slot in recorder.slots],
        recorder.events,
        facts.step_s,
        facts.wall_s,
        facts.cpu,
        facts.pipeline,
        options.resume,
    )
    summary.write(folder, tree)
    path = report.write(folder)
    policy = scenario.policy.name
    print(headline(tree, policy))
    print(f"report: {path}")
    missed = summary.missed(tree, policy, scenario.thresholds)
    for line in missed:
        print(line, file=sys.stderr)
    if status == 0 and (missed or (options.strict and tree["verdict"] != "VALID")):
        return EXIT_MISSED
    return status
