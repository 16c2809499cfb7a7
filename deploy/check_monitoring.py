"""Check what Prometheus and Grafana read, by their own tools: `python -m deploy.check_monitoring`.

promtool reads the configuration, the rules and the alerts, and runs their unit tests. The
dashboards' JSON is checked against Grafana's published types (npm `@grafana/schema`) by the
TypeScript compiler; the first check installs both into build/. Grafana publishes no schema for its
provisioning files: their keys are checked against those that its manual lists. Where a tool is not
on the PATH, a line says how to get it, and that check is left out.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from deploy.documents import document

ROOT = Path(__file__).parents[1]
TOOLS = ROOT / "build" / "grafana-schema"
PACKAGES = ("@grafana/schema@11.6.0", "typescript@5.8.3")  # Grafana's version is the SDK's
MISSING = {
    "promtool": "it comes with Prometheus: apt-get install prometheus (Debian, Ubuntu), brew "
    "install prometheus",
    "npm": "it comes with Node.js: apt-get install npm (Debian, Ubuntu), brew install node",
}
# JSON has no enums: the values of a string enum stand for it. An annotation's query belongs to its
# data source, as the schema's own note says: these are Prometheus'.
_TYPES = """\
import type { AnnotationQuery, Dashboard } from "@grafana/schema";
type Prometheus = { expr: string; step: string; titleFormat: string };
type Json<T> = T extends AnnotationQuery ? Plain<T> & Prometheus : T extends string ? `${T}` :
  T extends number | boolean | null | undefined ? T :
  T extends Array<infer U> ? Array<Json<U>> : Plain<T>;
type Plain<T> = { [K in keyof T]: Json<T[K]> };
"""
_DATASOURCE = {
    "name",
    "uid",
    "type",
    "access",
    "url",
    "isDefault",
    "jsonData",
    "editable",
    "orgId",
    "version",
}
_PROVIDER = {
    "name",
    "orgId",
    "folder",
    "folderUid",
    "type",
    "disableDeletion",
    "updateIntervalSeconds",
    "allowUiUpdates",
    "options",
}
# what `midstep run --monitor` and the compose file set
VARIABLES = {
    "MIDSTEP_PROMETHEUS",
    "MIDSTEP_DASHBOARDS",
}


def prometheus(folder: Path) -> list[str]:
    """List complaints about prometheus.yml, rules.yml, alerts.yml and their unit tests."""
    complaints = []
    for words in (
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "rules.yml", "alerts.yml"),
        ("test", "rules", "rules_test.yml"),
    ):
        result = subprocess.run(
            ["promtool", *words], cwd=folder, capture_output=True, text=True, check=False
        )
        if result.returncode:
            complaints.append(
                f"promtool {' '.join(words)}: {' '.join((result.stdout + result.stderr).split())}"
            )
    return complaints


def dashboards(folder: Path, tools: Path = TOOLS) -> list[str]:
    """List complaints of `tsc --noEmit` about the dashboards' JSON in a folder."""
    if not (tools / "node_modules" / ".bin" / "tsc").is_file():
        install = subprocess.run(
            [
                "npm",
                "install",
                "--no-save",
                "--no-package-lock",
                "--no-audit",
                "--no-fund",
                f"--prefix={tools}",
                *PACKAGES,
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if install.returncode:
            return [f"npm install {' '.join(PACKAGES)}: {' '.join(install.stderr.split())}"]
    literals = tools / "dashboards"
    shutil.rmtree(literals, ignore_errors=True)
    literals.mkdir(parents=True)
    for path in folder.glob("*.json"):
        (literals / f"{path.stem}.ts").write_text(
            f"{_TYPES}export const d: Json<Dashboard> = {path.read_text()};\n"
        )
    options = (
        "--noEmit",
        "--strict",
        "--skipLibCheck",
        "--target",
        "es2022",
        "--module",
        "esnext",
        "--moduleResolution",
        "bundler",
    )
    result = subprocess.run(
        [
            "node_modules/.bin/tsc",
            *options,
            *sorted(f"dashboards/{path.name}" for path in literals.iterdir()),
        ],
        cwd=tools,
        capture_output=True,
        text=True,
        check=False,
    )
    return [_in_json(line) for line in result.stdout.splitlines() if "error TS" in line]


def _in_json(line: str) -> str:
    """Name the JSON file and its line; tsc counts from the top of the file with the types."""

    def place(match: re.Match[str]) -> str:
        return f"{match[1]}.json, line {max(1, int(match[2]) - _TYPES.count(chr(10)))}"

    return re.sub(r"dashboards/(\w+)\.ts\((\d+),\d+\)", place, line)


def provisioning(folder: Path) -> list[str]:
    """List complaints about Grafana's provisioning files."""
    complaints = []
    for path, part, known in (
        (folder / "datasources" / "prometheus.yaml", "datasources", _DATASOURCE),
        (folder / "dashboards" / "midstep.yaml", "providers", _PROVIDER),
    ):
        try:
            complaints += [
                f"{path.name}: {line}" for line in _provisioning_file(document(path), part, known)
            ]
        except (OSError, ValueError) as error:
            complaints.append(f"{path.name}: {error}")
        if path.is_file():
            strange = set(re.findall(r"\$\{?(\w+)\}?", path.read_text())) - VARIABLES
            complaints += [f"{path.name}: nobody sets {name}" for name in sorted(strange)]
    return complaints


def _provisioning_file(tree: dict[str, Any], part: str, known: set[str]) -> list[str]:
    complaints = [f"there is no key {key}" for key in sorted({"apiVersion", part} - set(tree))]
    complaints += [
        f"Grafana knows no key {key}" for key in sorted(set(tree) - {"apiVersion", part, "prune"})
    ]
    for entry in tree.get(part) or []:
        complaints += [
            f"Grafana knows no key {key} in {part}" for key in sorted(set(entry) - known)
        ]
        complaints += [f"{part} need a key {key}" for key in sorted({"name", "type"} - set(entry))]
    return complaints


def main() -> int:
    """Check; the exit status: 0 all that could be checked is right, 1 something is wrong."""
    deploy = ROOT / "deploy"
    complaints = provisioning(ROOT / "deploy" / "grafana" / "provisioning")
    subjects = ["provisioning"]
    for tool, what, check, folder in (
        ("promtool", "configuration, rules and alerts", prometheus, deploy / "prometheus"),
        ("npm", "dashboards", dashboards, deploy / "grafana" / "dashboards"),
    ):
        if shutil.which(tool) is None:
            print(f"no {tool} on the PATH, so {what} are not checked: {MISSING[tool]}")
            continue
        complaints += check(folder)
        subjects.append(what)
    for line in complaints:
        print(line, file=sys.stderr)
    if not complaints:
        print(f"{', '.join(subjects)} of Prometheus and Grafana are right")
    return int(bool(complaints))


if __name__ == "__main__":
    sys.exit(main())
