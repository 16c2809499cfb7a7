"""Check what Prometheus and Grafana read, with their own tools: `python -m
deploy.check_monitoring`.

promtool reads the configuration, the rules and the alerts, and runs their unit tests. The
dashboards' JSON is checked against Grafana's published types (npm `@grafana/schema`) by the
TypeScript compiler; both are put into build/ once. Grafana publishes no schema for its provisioning
files: their keys are checked against what its manual lists. Where a tool is not on the PATH, a line
says how to get it, and that check is left out.
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
# JSON knows no enums, so a string enum's values are taken as what they are. The schema's own note
# says that an
# annotation's query belongs to its data source: these are Prometheus'.
_TYPES = """\
import type { AnnotationQuery, Dashboard } from "@grafana/schema";
type Prometheus = { expr: string; step: string; titleFormat: string };
type Json<T> = T extends AnnotationQuery ? Plain<T> & Prometheus : T extends string ? `${T}` :
  T extends number | boolean | null | undefined ? T : T extends Array<infer U> ? Array<Json<U>> : Plain<T>;
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
    """Complaints about prometheus.yml, rules.yml, alerts.yml and their unit tests."""
    found = []
    for words in (
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "rules.yml", "alerts.yml"),
        ("test", "rules", "rules_test.yml"),
    ):
        asked = subprocess.run(
            ["promtool", *words], cwd=folder, capture_output=True, text=True, check=False
        )
        if asked.returncode:
            found.append(
                f"promtool {' '.join(words)}: {' '.join((asked.stdout + asked.stderr).split())}"
            )
    return found


def dashboards(folder: Path, tools: Path = TOOLS) -> list[str]:
    """Complaints about the dashboards' JSON in a folder, from `tsc --noEmit`."""
    if not (tools / "node_modules" / ".bin" / "tsc").is_file():
        put = subprocess.run(
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
        if put.returncode:
            return [f"npm install {' '.join(PACKAGES)}: {' '.join(put.stderr.split())}"]
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
    asked = subprocess.run(
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
    return [_in_json(line) for line in asked.stdout.splitlines() if "error TS" in line]


def _in_json(line: str) -> str:
    """tsc counts lines from the top of its own file."""

    def moved(match: re.Match[str]) -> str:
        return f"{match[1]}.json, line {max(1, int(match[2]) - _TYPES.count(chr(10)))}"

    return re.sub(r"dashboards/(\w+)\.ts\((\d+),\d+\)", moved, line)


def provisioning(folder: Path) -> list[str]:
    """Complaints about Grafana's provisioning files."""
    found = []
    for path, part, known in (
        (folder / "datasources" / "prometheus.yaml", "datasources", _DATASOURCE),
        (folder / "dashboards" / "midstep.yaml", "providers", _PROVIDER),
    ):
        try:
            found += [f"{path.name}: {line}" for line in _provisioned(document(path), part, known)]
        except (OSError, ValueError) as error:
            found.append(f"{path.name}: {error}")
        if path.is_file():
            strange = set(re.findall(r"\$\{?(\w+)\}?", path.read_text())) - VARIABLES
            found += [f"{path.name}: nobody sets {name}" for name in sorted(strange)]
    return found


def _provisioned(tree: dict[str, Any], part: str, known: set[str]) -> list[str]:
    found = [f"there is no key {key}" for key in sorted({"apiVersion", part} - set(tree))]
    found += [
        f"Grafana knows no key {key}" for key in sorted(set(tree) - {"apiVersion", part, "prune"})
    ]
    for entry in tree.get(part) or []:
        found += [f"Grafana knows no key {key} in {part}" for key in sorted(set(entry) - known)]
        found += [f"{part} need a key {key}" for key in sorted({"name", "type"} - set(entry))]
    return found


def main() -> int:
    """Exit status: 0 all that could be checked is right, 1 something is wrong."""
    deploy = ROOT / "deploy"
    found = provisioning(ROOT / "deploy" / "grafana" / "provisioning")
    checked = ["provisioning"]
    for tool, what, check, folder in (
        ("promtool", "configuration, rules and alerts", prometheus, deploy / "prometheus"),
        ("npm", "dashboards", dashboards, deploy / "grafana" / "dashboards"),
    ):
        if shutil.which(tool) is None:
            print(f"no {tool} on the PATH, so {what} are not checked: {MISSING[tool]}")
            continue
        found += check(folder)
        checked.append(what)
    for line in found:
        print(line, file=sys.stderr)
    if not found:
        print(f"{', '.join(checked)} of Prometheus and Grafana are right")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
