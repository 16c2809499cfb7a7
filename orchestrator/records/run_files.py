"""The names of the files of a run's folder, and the claim to one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from midstep.scenario import Scenario
from orchestrator.records.folders import SCENARIO, claim_folder
from orchestrator.records.journals import JOURNALS
from orchestrator.records.row_journal import RESERVE

__all__ = [
    "BEGIN",
    "checkpoint_file",
    "is_filled",
    "policy_failures",
    "run_folder",
    "traceback_file",
]

BEGIN = "begin.json"
RESULTS = (
    *(f"{name}.jsonl" for name in JOURNALS),
    BEGIN,
    "requests.parquet",
    "slots.parquet",
    "ticks.parquet",
    "trace.json",
    "summary.json",
    "judged.csv",
    "report.html",
    "plots",
    "images",
    "targets.json",
    "control.json",
    "prometheus",
    RESERVE,
)


def checkpoint_file(edge: str, edges: Sequence[str]) -> str:
    """The name of the file that holds the state of an edge's learner, in a run of these edges."""
    return "learner.ckpt" if len(edges) == 1 else f"learner-{edge}.ckpt"


def traceback_file(edge: str | None, edges: Sequence[str]) -> str:
    """The name of the file that holds the traceback of a policy that failed, by edge where a run
    has several."""
    one = edge is None or len(edges) == 1
    return "policy-traceback.txt" if one else f"policy-traceback-{edge}.txt"


def policy_failures(folder: Path) -> list[str]:
    """Which policies failed in a run, a line each, with the file that holds the traceback."""
    return [
        f"{path.read_text().splitlines()[0]}; its traceback is in {path.name}"
        for path in sorted(folder.glob("policy-traceback*.txt"))
    ]


def run_folder(scenario: Scenario, out: str | None) -> Path:
    """Claim `--out`, or runs/<name>-<time>. Raises OptionError where a run is there already."""
    edges = [edge.name for edge in scenario.edges]
    states = [checkpoint_file(edge, edges) for edge in edges]
    return claim_folder(scenario.name, out, SCENARIO, (*RESULTS, *states))


def is_filled(path: Path) -> bool:
    """Whether a file is there that is no mere claim."""
    try:
        return path.stat().st_size > 0
    except OSError:
        return False
