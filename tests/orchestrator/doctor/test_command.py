"""`midstep doctor` as a whole: exit status, JSON, users to come."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from midstep.scenario_file import parse
from orchestrator.cli import main
from orchestrator.doctor import PlannedRun, command, findings
from orchestrator.doctor.findings import Check, Finding


def well(of: PlannedRun) -> Iterator[Finding]:
    yield findings.ok("well", "it is")


def ill(of: PlannedRun) -> Iterator[Finding]:
    yield findings.fail("ill", "it is", "rest")


def poor(of: PlannedRun) -> Iterator[Finding]:
    yield findings.warn("poor", "it is", "earn")


def crashing(of: PlannedRun) -> Iterator[Finding]:
    raise ZeroDivisionError("oh")


@pytest.mark.parametrize(
    ("checks", "status", "last"),
    [
        ((well, poor), 0, "can run here; 0 fail, 1 warn, 1 ok"),
        ((well, ill), 1, "cannot run here; 1 fail, 0 warn, 1 ok"),
        ((well, crashing), 1, "cannot run here; 1 fail, 0 warn, 1 ok"),
    ],
)
def test_the_exit_status_is_whether_the_run_can_work(
    checks: tuple[Check, ...],
    status: int,
    last: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(
        command,
        "examine",
        lambda of: {"a group": [one for c in checks for one in command._run_check(c, of)]},
    )
    assert main(["doctor", "--users", "4"]) == status
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "a group" and out[1] == "  ok   well: it is"
    assert out[-1] == f"laptop with 4 users, real denoising: {last}"
    assert all(" -> " in line for line in out if line.startswith(("  warn", "  fail")))


def test_the_users_that_a_timeline_will_have_are_what_is_reckoned_with() -> None:
    events = [
        {"at_s": 10, "users": 200},
        {"at_s": 20, "users": 50},
        {"at_s": 5, "users": 900, "edge": "edge-0"},
    ]
    assert command.at_most(parse({"timeline": events})).users == 200
    assert command.at_most(parse({"timeline": [{"at_s": 1, "users": 3}]})).users == 10


def test_json_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["doctor", "--json", "--denoiser", "paced", "--users", "1000"])
    answer = json.loads(capsys.readouterr().out)
    states = [check["state"] for check in answer["checks"]]
    assert answer["users"] == 1000 and set(states) <= {"ok", "warn", "fail"}
    assert (status, answer["works"]) == ((1, False) if "fail" in states else (0, True))
    assert {check["group"] for check in answer["checks"]} == set(command.CHECKS)
    assert all(check["do"] for check in answer["checks"] if check["state"] != "ok")


def test_a_scenario_that_is_none_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "no-such-scenario"]) == 2
    assert "the shipped ones are" in capsys.readouterr().err


def test_a_paced_run_is_examined_without_torch_and_ray() -> None:
    code = (
        "import sys; from orchestrator.cli import main; main(['doctor', '--denoiser', 'paced']); "
        "print({m for m in ('torch', 'diffusers', 'ray', 'grpc') if m in sys.modules})"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert ended.stdout.splitlines()[-1] == "set()"
