"""Files of Prometheus and Grafana are right, and their own tools report a typical error in each."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy import check_monitoring

DEPLOY = Path(__file__).parents[2] / "deploy"
promtool = pytest.mark.skipif(
    shutil.which("promtool") is None,
    reason=f"no promtool here: {check_monitoring.MISSING['promtool']}",
)
grafanas_types = pytest.mark.skipif(
    not (check_monitoring.TOOLS / "node_modules" / ".bin" / "tsc").is_file(),
    reason="Grafana's types are not here: make check-deploy puts them into build/",
)


def spoilt(folder: Path, into: Path, name: str, written: str, mistake: str) -> Path:
    """Copy a folder, with one mistake in one of its files."""
    shutil.copytree(folder, into)
    text = (into / name).read_text()
    assert written in text, f"{name} has changed: {written} is not there"
    (into / name).write_text(text.replace(written, mistake, 1))
    return into


@promtool
def test_prometheus_files_are_right() -> None:
    assert check_monitoring.prometheus(DEPLOY / "prometheus") == []


@promtool
@pytest.mark.parametrize(
    ("name", "written", "mistake", "word"),
    [
        ("prometheus.yml", "honor_labels", "honour_labels", "honour_labels"),
        (
            "prometheus.yml",
            "runs/*.targets.json",
            "runs/*/targets.json",
            "not valid for file discovery",
        ),
        ("prometheus.yml", "scrape_interval: 1s", "scrape_interval: soon", "soon"),
        ("prometheus.yml", "alerts.yml", "alarms.yml", "alarms.yml"),
        ("rules.yml", "histogram_quantile(0.95, ", "histogram_quantile(0.95 ", "parse"),
        (
            "rules.yml",
            "rate(midstep_requests_total[1m])",
            "rate(midstep_request_total[1m])",
            "FAILED",
        ),
        ("rules.yml", "record: run_part", "record: run part", "run part"),
        ("alerts.yml", "for: 5s", "for: long", "long"),
        ("alerts.yml", '"edge"} == 0', '"edge"} == 1', "FAILED"),
        ("alerts.yml", "> 0.02", "> 2", "FAILED"),
        ("alerts.yml", "midstep_run_valid == 0", "midstep_run_valid == 1", "FAILED"),
        ("alerts.yml", "< 0.5 * avg", "< 0 * avg", "FAILED"),
        ("alerts.yml", "{{ $labels.process }}", "{{ $label.process }}", "undefined variable"),
        ("rules_test.yml", "exp_alerts", "expected_alerts", "expected_alerts"),
    ],
)
def test_a_mistake_in_a_prometheus_file_is_found(
    tmp_path: Path, name: str, written: str, mistake: str, word: str
) -> None:
    folder = spoilt(DEPLOY / "prometheus", tmp_path / "p", name, written, mistake)
    complaints = check_monitoring.prometheus(folder)
    assert word in complaints[0], complaints


@grafanas_types
def test_dashboards_pass_grafanas_types() -> None:
    assert check_monitoring.dashboards(DEPLOY / "grafana" / "dashboards") == []


def _at(tree: Any, *path: str | int) -> Any:
    for key in path:
        tree = tree[key]
    return tree


@grafanas_types
def test_mistakes_in_a_dashboard_are_found_in_their_lines(tmp_path: Path) -> None:
    mistakes: dict[str, Callable[[dict[str, Any]], Any]] = {
        "gridPos": lambda tree: tree["panels"][1]["gridPos"].update(h="4"),
        "titel": lambda tree: tree["panels"][1].update(titel="?"),
        "mode": lambda tree: _at(tree, "panels", 1, "fieldConfig", "defaults", "thresholds").update(
            mode="percent"
        ),
        "refresh": lambda tree: _at(tree, "templating", "list", 1).update(refresh=9),
        "enable": lambda tree: _at(tree, "annotations", "list", 0).pop("enable"),
        "schemaVersion": lambda tree: tree.pop("schemaVersion"),
    }
    for name, spoil in mistakes.items():
        tree = json.loads((DEPLOY / "grafana" / "dashboards" / "overview.json").read_text())
        spoil(tree)
        (tmp_path / f"{name}.json").write_text(json.dumps(tree, indent=2))
    complaints = check_monitoring.dashboards(tmp_path)
    for name in mistakes:
        lines = [line for line in complaints if line.startswith(f"{name}.json, line ")]
        assert lines, f"{name}: {complaints}"
    assert any(line.startswith("titel.json") and "titel" in line for line in complaints)


@pytest.mark.parametrize(
    ("name", "written", "mistake", "word"),
    [
        ("datasources/prometheus.yaml", "isDefault", "isDefaults", "isDefaults"),
        (
            "datasources/prometheus.yaml",
            "MIDSTEP_PROMETHEUS}",
            "MIDSTEP_PROM}",
            "nobody sets MIDSTEP_PROM",
        ),
        ("datasources/prometheus.yaml", "datasources:", "datasource:", "no key datasources"),
        ("dashboards/midstep.yaml", "    type: file\n", "", "need a key type"),
        ("dashboards/midstep.yaml", "providers:", "providers: [", "no YAML"),
    ],
)
def test_a_mistake_in_the_provisioning_is_found(
    tmp_path: Path, name: str, written: str, mistake: str, word: str
) -> None:
    folder = DEPLOY / "grafana" / "provisioning"
    assert check_monitoring.provisioning(folder) == []
    copy = spoilt(folder, tmp_path / "p", name, written, mistake)
    complaints = check_monitoring.provisioning(copy)
    assert any(word in line for line in complaints), complaints


def test_a_missing_tool_costs_a_line_that_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert check_monitoring.main() == 0
    prometheus, grafana, result = capsys.readouterr().out.splitlines()
    assert "apt-get install prometheus" in prometheus
    assert "apt-get install npm" in grafana
    assert result == "provisioning of Prometheus and Grafana are right"
