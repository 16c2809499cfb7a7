"""Write docs/dashboards.md: every panel, what it tells, and what to do when it looks bad."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from deploy.generated import paragraphs
from deploy.grafana.panels import Board, Panel

HEAD = """\
# Dashboards

Written by `python -m deploy.dashboards` from `deploy/grafana`; change it there.

**On this machine**: `midstep run --monitor` starts a Prometheus, and a Grafana where there is one,
for the length of the run, and prints their addresses and Grafana's password. Both listen on
loopback only. It takes them from the PATH, else from Docker (on Linux), else it says how to get
them and the run goes on without. When the run is over, one more scrape is awaited, then both are
stopped. What Prometheus has seen stays in the run's folder, in `prometheus/`; to look again:
`prometheus --config.file=RUN/prometheus/prometheus.yml --storage.tsdb.path=RUN/prometheus/data
--storage.tsdb.retention.time=100y --web.listen-address=127.0.0.1:9090` (by itself it listens on
every address, and forgets what is 15 days old).

**Anywhere else**: let Prometheus read `deploy/prometheus/prometheus.yml` (targets by `file_sd` from
`runs/*.targets.json`, rules, alerts), and Grafana the folder `deploy/grafana/provisioning` with
`MIDSTEP_PROMETHEUS` (Prometheus' address) and `MIDSTEP_DASHBOARDS` (where
`deploy/grafana/dashboards` is) in its environment; or import the four JSON files by hand. A
Prometheus of your own needs `honor_labels: true` for this job: some metrics have a label `part` of
their own.

At the top of each dashboard: **Data source**, **Run** (the folder's name), **Edge** (one, several
or all), and **Rates over**: how long rates and quantiles look back. *So far* means over the range
shown: let it reach back to the run's start. Purple marks are the run's events: started, scaled,
died, stopping, ended, and those of its timeline (`surge`, and `surge over` when it ends).
A gap in a line means that nothing happened in that time, such as a quantile of no requests.

The same figures without Grafana: `midstep top RUN`.

**The pictures** below are one run's (`midstep run crowd --duration 60s --monitor`, a thousand
devices on two cores), drawn by `python -m
deploy.draw_dashboards RUN`; RUN may also be the address of a Prometheus. It fills the variables,
puts every query to Prometheus at the step that Grafana would choose, and draws the answers in
headless Chromium with Grafana's own components (npm `@grafana/ui` 11.6, the version that the JSON
is written for) at the places and sizes of a page 1600 pixels wide. Grafana's are the panels'
frames, lines, axes, legends, figures, tables, fonts, units, thresholds and colours. Not Grafana's
are the line of variables at the top, the headings of rows, the dashed marks of events, heatmaps,
and the few rules of its application that its components leave out: the grid, the steps, and the
defaults of the time series panel. Whatever is empty, cut off, hidden in a legend or too small to
read becomes a line, and the status 1. It needs Node.js (its first call installs what
deploy/grafana/draw/package-lock.json names into build/), Chromium (`apt-get install chromium`)
and Prometheus, and is part of no test.
"""

ALERTS = """\
## Alerts

`deploy/prometheus/alerts.yml`; Prometheus shows them under `/alerts`, and Overview counts those
that fire.
"""
ALERTS_TABLE = "| alert | fires when, for how long | what to do |\n|---|---|---|\n"
RULES = Path(__file__).parents[1] / "prometheus" / "alerts.yml"


def page(boards: Sequence[Board]) -> str:
    """Build the page of these dashboards."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    alerts = [_alert(rule) for group in groups for rule in group["rules"]]
    return "".join(
        (
            f"{paragraphs(HEAD)}\n",
            *(_board(board) for board in boards),
            f"\n{paragraphs(ALERTS)}\n\n",
            ALERTS_TABLE,
            *(f"{alert}\n" for alert in alerts),
        )
    )


def _alert(rule: dict[str, Any]) -> str:
    when = " ".join(rule["expr"].split())
    return f"| **{rule['alert']}** | `{when}`, {rule['for']} | {rule['annotations']['action']} |"


def _board(board: Board) -> str:
    name = board.title.removeprefix("midstep: ")
    lines = [f"\n## {name}", "", board.about, "", f"![{name}](dashboards/{board.name}.png)"]
    for row in board.rows:
        lines += [
            "",
            f"### {row.title}",
            "",
            "| panel | tells | when it looks bad |",
            "|---|---|---|",
        ]
        lines += [_panel(panel) for panel in row.panels]
    return "\n".join(lines) + "\n"


def _panel(panel: Panel) -> str:
    tells = panel.tells
    if panel.only is not None:
        tells += f" Only {panel.only} has data here."
    cells = (f"**{panel.title}**", tells, panel.bad[0].upper() + panel.bad[1:])
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
