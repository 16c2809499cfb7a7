"""A run whose centre is killed: its report has a row for every request, and says what was lost."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from midstep.scenario_file import parse
from midstep.workload.arrivals import next_arrival, open_law
from orchestrator.cli import main
from orchestrator.live.broken_off import complete
from orchestrator.records.run_reader import read_begin, read_run
from tests import paced

ARRIVALS = {"poisson": {"per_user_per_minute": 20}}
CUT_S = 14.0
# a centre that is killed when its virtual clock says so
DIES = """
import json, os, signal, sys
from midstep.scenario_file import parse
from orchestrator.live.launch import Options
from orchestrator.live.run import run
from orchestrator.live.slot_accounts import SlotAccounts
really = SlotAccounts.write
def write(self, cell, slot, *rest):
    row = really(self, cell, slot, *rest)
    if slot == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    return row
SlotAccounts.write = write
run(parse(json.loads(sys.argv[1])), Options(out=sys.argv[2], quiet=True))
"""


def killed(folder: Path, **changes: object) -> Path:
    """A run that was killed when its slot of 2 s from 12 s on had ended."""
    workload = {"catalogue_size": 20, "arrivals": ARRIVALS}
    tree = paced.tree(workload=workload, slot_seconds=2, **changes)
    command = [sys.executable, "-c", DIES, json.dumps(tree), str(folder), "6"]
    assert subprocess.run(command, timeout=60, check=False).returncode == -9
    return folder


def test_what_was_open_when_the_centre_was_killed_has_failed_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = killed(tmp_path / "run", timeline=[{"at_s": 5, "users": 6}, {"at_s": 9, "users": 5}])
    (folder / "control.json").write_text("{}")
    with (folder / "requests.jsonl").open("a") as journal:
        journal.write('{"request_id": "torn')
    before = {row["request_id"] for row in read_run(folder)[0]}
    assert main(["report", str(folder)]) == 0
    rows, _ = read_run(folder)
    names = [row["request_id"] for row in rows]
    scenario = parse(paced.tree(workload={"catalogue_size": 20, "arrivals": ARRIVALS}))
    law = open_law(scenario)
    due = set()
    for member in read_begin(folder)["members"]:
        index, since_s = 0, member["since_s"]
        end_s = CUT_S if member["until_s"] is None else member["until_s"]
        while (upcoming := next_arrival(law, member["user"], index, since_s)) is not None:
            index, arrival = upcoming
            if arrival.due_s >= end_s:
                break
            due.add(f"{member['user']:05d}-{index:05d}")
            since_s = arrival.due_s
            index += 1
    assert due <= set(names) and len(names) == len(set(names))
    lost = [row for row in rows if row["request_id"] not in before]
    assert lost and {row["result"] for row in lost} == {"failed"}
    assert {row["error"] for row in lost} == {"the run's centre died before it was finished"}
    verdict = json.loads((folder / "summary.json").read_text())["verdict"]
    assert verdict == f"INVALID: {len(lost)} requests in flight were lost as the run's centre died"
    assert not (folder / "control.json").exists()
    assert complete(folder) == 0, "a second time there is nothing to do"
    assert capsys.readouterr().err == ""


def test_a_run_that_lives_gets_no_rows_from_outside(tmp_path: Path) -> None:
    folder = killed(tmp_path / "run")
    begin = read_begin(folder)
    begin["centre"].update(pid=os.getpid(), began_s=psutil.Process().create_time())
    (folder / "begin.json").write_text(json.dumps(begin))
    assert complete(folder) == 0
