"""What the tests look for in PromQL: the metrics and labels that it names."""

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
# exporter.write_targets, and Prometheus' own
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
    """Every query of every dashboard."""
    return [query.expr for board in BOARDS for panel in board.panels for query in panel.queries] + [
        EVENTS.expr
    ]


def rules() -> dict[str, str]:
    """Recorded name or alert -> its expression."""
    found = {}
    for name in ("rules.yml", "alerts.yml"):
        for group in yaml.safe_load((PROMETHEUS / name).read_text())["groups"]:
            found |= {rule.get("record") or rule["alert"]: rule["expr"] for rule in group["rules"]}
    return found


def metrics(expression: str) -> list[tuple[str, set[str]]]:
    """(name, labels that its selector matches on), in order."""
    found = []
    for name, matchers in _NAME.findall(expression):
        found.append((name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))))
    return found


def metric_of(name: str, specs: Mapping[str, Spec]) -> str | None:
    """The metric of midstep/metrics.py that a sample's name belongs to, None where there is
    none."""
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
    """What expressions name that nobody exports: metrics, and labels that a metric does not
    have."""
    found = []
    known = set(recorded)
    for expression in expressions:
        used = metrics(expression)
        there: set[str] = set(OF_TARGETS) | {"le"}
        for name, labels in used:
            metric = metric_of(name, specs)
            if name in known or name in OTHERS:
                there |= {"result", "edge", "stage", "reuse"} if name in known else set()
                continue
            if metric is None:
                found.append(f"{name}: no such metric ({expression})")
                continue
            there |= set(specs[metric].labels)
            strange = labels - set(specs[metric].labels) - OF_TARGETS - {"le"}
            found += [f"{name} has no label {label} ({expression})" for label in sorted(strange)]
        for names in _BY.findall(expression):
            grouped = {label.strip() for label in names.split(",")} - {""}
            found += [
                f"nothing has a label {label} ({expression})" for label in sorted(grouped - there)
            ]
        if not used:
            found.append(f"no metric at all ({expression})")
    return found
