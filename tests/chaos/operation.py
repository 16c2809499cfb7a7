"""One chaos run from its start to the verdict on what it left."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from midstep.errors import EXIT_DIED, EXIT_INPUT, EXIT_INTERRUPTED, MidstepError
from orchestrator.records.run_reader import read_run
from tests.chaos.invariants import of_record, of_text
from tests.chaos.patient import Patient
from tests.chaos.plan import Plan

__all__ = ["END_S", "LEFT_S", "Outcome", "operate"]

START_S = 300.0  # that a run may take to begin, on a machine that is busy
END_S = 60.0  # that a run may take to end, from the last blow or from when its users stop asking
LOOK_S = 0.1  # between two looks whether it has ended
LEFT_S = 15.0  # after which no process of it may be left
ORDERLY = (0, EXIT_INPUT, EXIT_DIED, EXIT_INTERRUPTED)


@dataclass(kw_only=True)
class Outcome:
    """What became of a run: what was done to it, its exit status, and every promise that it
    broke, a line each."""

    plan: str
    hit: list[str]
    status: int | None
    struck: bool = False  # whether a blow has met its part
    ended_after_s: float = 0.0  # from when its end was due
    rows: int = 0
    lost: int = 0  # rows that are not done
    report: str = "none"  # by itself, afterwards, or none as it never began
    faults: list[str] = field(default_factory=list)

    def dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        head = (
            f"{self.plan} [{'; '.join(self.hit)}]: status {self.status}, {self.rows} rows, "
            f"{self.lost} not done, report {self.report}, ended {self.ended_after_s:.1f} s late"
        )
        return "\n".join([head, *(f"    BROKEN: {fault}" for fault in self.faults)])


def operate(plan: Plan, folder: Path) -> Outcome:
    """Start a run, deal its blows, wait for its end, and look at what it left."""
    patient = Patient(plan, folder)
    hands = [threading.Thread(target=patient.strike, args=(blow,)) for blow in plan.blows]
    for hand in hands:
        hand.start()
    while patient.process.poll() is None and time.monotonic() < _limit(patient):
        time.sleep(LOOK_S)
    status = patient.wait(0.0)
    ended = time.monotonic()
    for hand in hands:
        hand.join()
    outcome = Outcome(plan=str(plan), hit=patient.hit, status=status)
    try:
        _judge_end(patient, outcome, ended)
        while patient.left() and time.monotonic() < ended + LEFT_S:
            time.sleep(LOOK_S)
        for (pid, _), what in patient.left().items():
            outcome.faults.append(f"{what or 'a process'} (pid {pid}) is left after {LEFT_S:g} s")
    finally:
        patient.end()
    outcome.faults += of_text(patient.text())
    _judge_record(patient, outcome)
    return outcome


def _limit(patient: Patient) -> float:
    """When a run should have ended at the latest, monotonic."""
    if patient.due is not None:
        return max(patient.due, patient.hit_at or 0.0) + END_S
    if any(word.startswith(("kill", "stop")) for word in patient.hit):
        return (patient.hit_at or patient.began) + END_S
    return patient.began + START_S + END_S


def _judge_end(patient: Patient, outcome: Outcome, ended: float) -> None:
    due = max(patient.hit_at or 0.0, patient.due or 0.0) or ended  # 0: no blow, and no run
    outcome.struck = patient.hit_at is not None
    outcome.ended_after_s = max(0.0, ended - due)
    if outcome.status is None:
        outcome.faults.append(f"it has not ended {ended - due:.0f} s after it should have")
    elif outcome.ended_after_s > END_S:
        outcome.faults.append(f"it took {outcome.ended_after_s:.0f} s to end")
    killed = any(word.startswith("kill centre") for word in outcome.hit)
    if outcome.status not in ORDERLY and not (killed and outcome.status == -9):
        outcome.faults.append(f"status {outcome.status}")
    died = any(word.startswith(("kill", "stop")) and " centre" not in word for word in outcome.hit)
    hit_at = patient.hit_at
    early = hit_at is not None and patient.due is not None and hit_at < patient.due - 1.0
    if early and died and outcome.status == 0:
        outcome.faults.append("a part was gone while users asked, and the status is 0")


def _judge_record(patient: Patient, outcome: Outcome) -> None:
    folder = patient.folder
    if not (folder / "requests.jsonl").exists() and not (folder / "requests.parquet").exists():
        if outcome.status == 0:
            outcome.faults.append("status 0, and no record")
        return
    outcome.report = "by itself"
    if not (folder / "report.html").is_file():
        outcome.report = "afterwards"
        command = [sys.executable, "-m", "orchestrator.cli", "report", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        outcome.faults += of_text(done.stderr)
        if done.returncode != 0:
            outcome.faults.append(f"midstep report: {done.returncode}, {done.stderr.strip()[:200]}")
    try:
        rows, _ = read_run(folder)
        outcome.rows = len(rows)
        outcome.lost = sum(row["result"] != "done" for row in rows)
        outcome.faults += of_record(folder)
    except MidstepError as error:
        outcome.faults.append(str(error))
