"""What the doctor's tests share: how a check is asked, and what it must answer."""

from typing import Any

import pytest

from midstep.scenario_file import parse
from orchestrator.doctor import PlannedRun, findings, packages
from orchestrator.doctor.findings import Check, Finding

REAL: dict[str, Any] = {"model": {"profile": "cpu"}}
PACED: dict[str, Any] = {**REAL, "modes": {"denoiser": "paced"}}


def planned_run(
    tree: dict[str, Any] = REAL, *settings: str, address: str | None = None
) -> PlannedRun:
    return PlannedRun(parse(tree, settings), address)


def finding(check: Check, of: PlannedRun, name: str) -> Finding:
    """The check's one line of this name; what is not well must say what to do."""
    answers = list(check(of))
    assert all(one.do for one in answers if one.state != "ok")
    (one,) = [one for one in answers if one.name.startswith(name)]
    return one


def installed(monkeypatch: pytest.MonkeyPatch, **versions: str | None) -> None:
    real = findings.version_of
    monkeypatch.setattr(packages, "version_of", lambda name: versions.get(name, real(name)))
