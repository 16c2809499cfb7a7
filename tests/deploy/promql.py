"""Read PromQL for the tests: the metrics and labels that it names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from deploy.grafana import BOARDS
from deploy.grafana.panels import EVENTS
from midstep.telemetry.metrics import Spec

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
# Labels of exporter.write_targets, and Prometheus' own.
OF_TARGETS = {
    "job",
    "instance",
    "run",
    "part",
    "process",
    "node",
}
OTHERS = {
    "up",
    "ALERTS",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_open_fds",
    "process_max_fds",
}
_NAME = re.compile(
    r"(?<![\w:$])((?:\w+:)?(?:midstep_|process_)\w+(?::\w+)?|up|ALERTS)(?![\w:])\s*(?:\{([^}]*)\})?"
)
_BY = re.compile(r"\b(?:by|on|ignoring)\s*\(([^)]*)\)")


def dashboards() -> list[str]:
    """List every query of every dashboard."""
    queries = [query for board in BOARDS for panel in board.panels for query in panel.queries]
    return [query.expr for query in (*queries, EVENTS)]


def rules() -> dict[str, str]:
    """Read the rules: recorded name or alert -> its expression."""
    expressions = {}
    for name in ("rules.yml", "alerts.yml"):
        for group in yaml.safe_load((PROMETHEUS / name).read_text())["groups"]:
            expressions |= {
                rule.get("record") or rule["alert"]: rule["expr"] for rule in group["rules"]
            }
    return expressions


def metrics(expression: str) -> list[tuple[str, set[str]]]:
    """List the metrics of an expression in order, each with the labels that its selector names."""
    return [
        (name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers)))
        for name, matchers in _NAME.findall(expression)
    ]


def metric_of(name: str, specs: Mapping[str, Spec]) -> str | None:
    """Find the metric of midstep/telemetry/metrics.py that a sample is of, None without one."""
    bare = name.removeprefix("midstep_")
    for candidate in (
        bare,
        *(bare.removesuffix(s) for s in ("_bucket", "_sum", "_count") if bare.endswith(s)),
    ):
        if candidate in specs and (candidate == bare) != bool(specs[candidate].bounds):
            return candidate
    return None


def wrong(
    expressions: Iterable[str], recorded: Iterable[str], specs: Mapping[str, Spec]
) -> list[str]:
    """List what expressions name and nobody exports: metrics, and labels of metrics."""
    complaints = []
    known = set(recorded)
    for expression in expressions:
        used = metrics(expression)
        labels_of_all: set[str] = set(OF_TARGETS) | {"le"}
        for name, labels in used:
            metric = metric_of(name, specs)
            if name in known or name in OTHERS:
                if name in known:
                    labels_of_all |= {"result", "edge", "stage", "reuse"}
                continue
            if metric is None:
                complaints.append(f"{name}: no such metric ({expression})")
                continue
            labels_of_all |= set(specs[metric].labels)
            strange = labels - set(specs[metric].labels) - OF_TARGETS - {"le"}
            complaints += [
                f"{name} has no label {label} ({expression})" for label in sorted(strange)
            ]
        for names in _BY.findall(expression):
            grouped = {label.strip() for label in names.split(",")} - {""}
            complaints += [
                f"nothing has a label {label} ({expression})"
                for label in sorted(grouped - labels_of_all)
            ]
        if not used:
            complaints.append(f"no metric at all ({expression})")
    return complaints
