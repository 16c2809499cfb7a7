"""Programs beside midstep: what watches a run, and what would shape its links in the kernel. None
is needed to run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from orchestrator.doctor.findings import Finding, PlannedRun, first_line, ok, warn
from orchestrator.watch import programs

__all__ = ["docker", "grafana", "prometheus", "shaping"]

ANSWER_S = 3.0
NET_ADMIN = 1 << 12  # the capability that `tc` needs

_STATUS = Path("/proc/self/status")


def prometheus(plan: PlannedRun) -> Iterator[Finding]:
    """Check the Prometheus that `midstep run --monitor` starts."""
    program = programs.prometheus()
    if program is None:
        do = "apt install prometheus, or a Docker that answers; without it: `midstep top`"
        yield warn("Prometheus", "not there: `midstep run --monitor` goes without", do)
    else:
        yield ok("Prometheus", f"{program.name}{_fetched(program)}")
    if shutil.which("promtool") is None:
        do = "it comes with Prometheus; only `make check-deploy` needs it"
        yield warn("promtool", "not there: rules cannot be checked", do)
    else:
        yield ok("promtool", first_line(["promtool", "--version"], ANSWER_S)[1] or "there")


def grafana(plan: PlannedRun) -> Iterator[Finding]:
    """Check the Grafana that shows the dashboards."""
    program = programs.grafana()
    if program is None:
        do = (
            "install Grafana (grafana.com/grafana/download), or a Docker that answers; without it: "
            "`midstep top`"
        )
        yield warn("Grafana", "not there: `midstep run --monitor` shows no dashboards", do)
    else:
        yield ok("Grafana", f"{program.name}{_fetched(program)}")


def docker(plan: PlannedRun) -> Iterator[Finding]:
    """The program, and its daemon."""
    if shutil.which("docker") is None:
        yield warn(
            "Docker",
            "not there: deploy/compose cannot be used",
            "install Docker; `midstep run` needs none",
        )
        return
    status, line = first_line(["docker", "info", "--format", "{{.ServerVersion}}"], ANSWER_S)
    if status != 0 or not line:
        do = (
            "start its daemon, and be allowed to use it (`docker info` says more); `midstep run` "
            "needs none"
        )
        yield warn("Docker", f"its daemon does not answer: {line or f'status {status}'}", do)
    else:
        yield ok("Docker", f"daemon {line} answers")


def shaping(plan: PlannedRun) -> Iterator[Finding]:
    """Only information: midstep shapes its links itself."""
    programs_here = [name for name in ("tc", "ip") if shutil.which(name)]
    spaces = "network namespaces" if Path("/proc/self/ns/net").exists() else "no network namespaces"
    allowed = "allowed" if _may_shape() else "not allowed to this user"
    text = (
        f"{' and '.join(programs_here) or 'neither tc nor ip'}, {spaces}, {allowed}; "
        f"midstep shapes links itself"
    )
    yield ok("kernel shaping", text)


def _fetched(program: programs.Program) -> str:
    return " (fetched at first use)" if program.pulls else ""


def _may_shape() -> bool:
    try:
        lines = _STATUS.read_text().splitlines()
        return bool(
            int(next(line.split()[1] for line in lines if line.startswith("CapEff:")), 16)
            & NET_ADMIN
        )
    except (OSError, StopIteration, ValueError):
        return False
