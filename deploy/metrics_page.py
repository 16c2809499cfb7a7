"""Write docs/metrics.md from midstep/telemetry/metrics.py; `--check` compares them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import get_args

from deploy.generated import paragraphs, settle
from deploy.grafana import BOARDS
from deploy.grafana.panels import Board
from midstep.telemetry.metrics import EVENTS, SPECS, Spec
from midstep.telemetry.record import RESULTS, STAGES
from midstep.wire.messages import Reuse

ROOT = Path(__file__).parents[1]
UNITS = ("seconds", "bytes", "joules", "ratio")
HEAD = """\
# Metrics

Written by `python -m deploy.metrics_page` from `midstep/telemetry/metrics.py`; change it there.

Every process of a run (edge, host of devices, learner, orchestrator) has one exporter, on a free
port of the address that it works on. Where they are stands in the run's `targets.json`, which
Prometheus reads by `file_sd`, with the labels `job` (midstep), `run` (the folder's name), `part`
(edge, host, learner, orchestrator), `process` (edge-0, host-3, ...) and `node` (the machine's
address). Scrape with `honor_labels: true`: some metrics have a `part` of their own.

Base units, no label for a single user, ratios are left to PromQL. A counter is there from the
process's start, so that a rate does not miss its first event. A gauge that is not known yet is NaN,
never 0. Bounds of a histogram of seconds are a factor of 1.25 apart: a quantile is known within one
of them. Beside these, each exporter has the standard `process_*` metrics: CPU time, memory, open
files.
"""


def page() -> str:
    """Build the page of all metrics."""
    rows = [_row(name, spec) for name, spec in SPECS.items()]
    table = ["| metric | kind | unit | labels | what | on |", "|---|---|---|---|---|---|", *rows]
    return f"{paragraphs(HEAD)}\n\n" + "\n".join(table) + "\n" + _values()


def _row(name: str, spec: Spec) -> str:
    cells = (
        f"`midstep_{name}`",
        spec.kind.__name__.lower(),
        _unit(name),
        ", ".join(f"`{label}`" for label in spec.labels),
        spec.text,
        ", ".join(_boards(name)),
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _unit(name: str) -> str:
    parts = name.removesuffix("_total").split("_")
    return parts[-1] if parts[-1] in UNITS else ""


def _boards(name: str) -> list[str]:
    """Titles of the dashboards that show a metric; events of the run are marked on all."""
    if name == "scenario_events_total":
        return ["all"]
    return [
        board.title.removeprefix("midstep: ")
        for board in BOARDS
        if any(f"midstep_{name}" in expression for expression in _expressions(board))
    ]


def _expressions(board: Board) -> list[str]:
    return [query.expr for panel in board.panels for query in panel.queries]


def _values() -> str:
    """List the values of the labels that have few."""
    values = {
        "stage": (*STAGES,),
        "event": (
            *EVENTS,
            "and each kind of the timeline's events, with `over` behind it when ended",
        ),
        "result": tuple(result for result in RESULTS if result != "dropped"),
        "reuse": (*get_args(Reuse), "none"),
    }
    lines = [f"* `{label}`: {', '.join(those)}" for label, those in values.items()]
    return "\nValues of labels:\n\n" + "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(settle({ROOT / "docs" / "metrics.md": page()}, "python -m deploy.metrics_page"))
