"""Dashboards: their JSON is their source's, they name what exists, a run fills every panel."""

from __future__ import annotations

import bisect
import itertools
import json
import math
import re
import shutil
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deploy import metrics_page
from deploy.dashboards import FOLDER, files
from deploy.grafana import BOARDS, overview
from deploy.grafana.panels import EVENTS, Panel, Query, of_edge, quantile, ratio, so_far
from deploy.grafana.render import render
from midstep.telemetry.metrics import SECONDS, SPECS
from midstep.telemetry.record import STAGES
from orchestrator.records.run_reader import read_run
from orchestrator.watch import programs
from orchestrator.watch.supervised_process import SupervisedProcess
from tests.deploy import promql
from tests.orchestrator.cluster.live_run import PACED, Live, get_json, live

PANELS = [(board.name, panel) for board in BOARDS for panel in board.panels]
# by a run under drc; where the edge is shared, no request waits for a plan
NEVER = (
    "a policy that plans slots",
    "a run with reuse.similar",
    "a run of real pictures with reuse.check_share above 0",
    "a run with edges.N.disk",
    "a run with edges.N.neighbours",
    "a run whose limits were lowered",
)
FILLED = [(name, panel) for name, panel in PANELS if panel.only not in NEVER]


def test_what_is_committed_is_what_the_sources_say() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {f"{board.name}.json" for board in BOARDS}
    for path, text in files().items():
        assert path.read_text() == text, f"{path.name}: run python -m deploy.dashboards"
    assert (promql.ROOT / "docs" / "metrics.md").read_text() == metrics_page.page(), (
        "run python -m deploy.metrics_page"
    )


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_a_dashboards_json_is_whole(board: Any) -> None:
    tree = json.loads(render(board))
    assert len({panel["id"] for panel in tree["panels"]}) == len(tree["panels"])
    covered: set[tuple[int, int]] = set()
    for panel in tree["panels"]:
        place = panel["gridPos"]
        cells = {
            (place["x"] + i, place["y"] + j) for i in range(place["w"]) for j in range(place["h"])
        }
        assert not cells & covered, panel["title"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        covered |= cells
        if panel["type"] == "row":
            continue
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert len(panel["description"]) > 40
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"][0]["value"] is None
        targets = panel["targets"]
        letters = [chr(ord("A") + n) for n in range(len(targets))]
        assert [target["refId"] for target in targets] == letters
        assert all(target["datasource"] == panel["datasource"] for target in targets)
    variables = {variable["name"]: variable for variable in tree["templating"]["list"]}
    assert set(variables) == {"datasource", "run", "edge", "window"}
    assert variables["edge"]["multi"]
    assert variables["edge"]["includeAll"]
    assert variables["edge"]["allValue"] == ".*"
    (events,) = tree["annotations"]["list"]
    assert events["expr"] == EVENTS.expr
    assert events["step"] == "5s"
    assert events["enable"]


def test_dashboards_and_rules_name_only_what_is_exported() -> None:
    rules = promql.rules()
    recorded = [name for name in rules if ":" in name]
    assert promql.wrong([*promql.dashboards(), *rules.values()], recorded, SPECS) == []


def test_every_metric_is_on_a_dashboard_and_a_renamed_one_is_noticed() -> None:
    for name, spec in SPECS.items():
        renamed = {other: s for other, s in SPECS.items() if other != name} | {
            f"other_{name}": spec
        }
        assert promql.wrong(promql.dashboards(), [], renamed), f"midstep_{name} is on no dashboard"


def test_a_renamed_label_and_a_misspelt_record_are_noticed() -> None:
    assert promql.wrong(['sum(midstep_users{edgy="a"})'], [], SPECS)
    assert promql.wrong(["sum by (edgy) (midstep_users)"], [], SPECS)
    assert promql.wrong(
        ["run_edge:midstep_hit_ratio:rate1m"], ["run_edge:midstep_hit_ratio:rate5m"], SPECS
    )
    # a histogram has no sample of its own name
    assert promql.wrong(["midstep_request_seconds"], [], SPECS)


@dataclass(frozen=True)
class MonitoredRun:
    """Live run that has ended, its panels' values while it went on, and a Prometheus with them."""

    run: Path
    answers: dict[str, list[dict[str, Any]]]
    began_s: float
    ended_s: float
    prometheus: str

    def value(self, expression: str) -> float:
        """Value of an expression over the whole run, after its end."""
        (series,) = ask(self.prometheus, filled(expression, self.run))
        return float(series["value"][1])


def ask(prometheus: str, expression: str, **of_range: float) -> list[dict[str, Any]]:
    """Series of a query; an error fails the test with Prometheus' words."""
    words = urllib.parse.urlencode({"query": expression, **of_range})
    answer = get_json(f"{prometheus}/api/v1/{'query_range' if of_range else 'query'}?{words}")
    assert answer["status"] == "success", answer
    series: list[dict[str, Any]] = answer["data"]["result"]
    return series


def filled(expression: str, run: Path) -> str:
    """Put values in the place of Grafana's variables: all edges, a range that covers the run."""
    values = {"$run": run.name, "$edge": ".*", "$window": "15s", "$__range": "10m"}
    for name, value in values.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, expression
    return expression


def has_data(result: list[dict[str, Any]]) -> bool:
    return any(not math.isnan(float(series["value"][1])) for series in result)


def fill_panels(running: Live, prometheus: str) -> dict[str, list[dict[str, Any]]]:
    """Run every panel's queries until all have data at once: expression -> its last result."""
    expressions = sorted({query.expr for _, panel in FILLED for query in panel.queries})
    answers: dict[str, list[dict[str, Any]]] = {}

    def all_have() -> bool:
        fresh = {e: ask(prometheus, filled(e, running.folder)) for e in expressions}
        answers.update(fresh)
        return all(has_data(result) for result in fresh.values())

    try:
        running.until(all_have, "data in every panel", 60)
    except AssertionError as error:
        empty = [e for e in expressions if not has_data(answers.get(e, []))]
        raise AssertionError(f"no data for {empty}") from error
    return answers


@pytest.fixture(scope="module")
def monitored(ray_address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MonitoredRun]:
    """Paced live run under drc with --monitor; its Prometheus is started again on its data."""
    binary = shutil.which("prometheus")
    if binary is None:
        pytest.skip("no prometheus here to scrape a run: apt-get install prometheus")
    run = tmp_path_factory.mktemp("monitored") / "run"
    quick = ("--set", "devices.0.speed_ratio=0.5", "--set", "workload.catalogue_size=30")
    plain = ("--set", "report.references=0", "--users", "12", "--duration", "60s", "--monitor")
    began = time.time()
    with live(run, ray_address, *PACED, *quick, *plain) as running:
        address = running.until(
            lambda: re.search(r"Prometheus at (\S+)", running.text()), "Prometheus"
        )
        running.until_slots(8)
        beside = run.with_name(f"{run.name}.targets.json")  # what deploy/prometheus looks for
        assert beside.read_text() == (run / "targets.json").read_text()
        answers = fill_panels(running, address[1])
        assert running.scale(7).returncode == 0
        (users,) = _panel("Users")
        running.until(
            lambda: [s["value"][1] for s in ask(address[1], filled(users.expr, run))] == ["7"],
            "7 on the panel",
        )
        running.process.send_signal(2)  # as Ctrl-C: the rest of the minute is not needed
        assert running.end() == 130
        assert "what Prometheus saw is kept" in running.text()
        assert not beside.exists()
    ended = time.time()
    port = programs.port(0)
    options = [
        f"--config.file={run}/prometheus/prometheus.yml",
        f"--storage.tsdb.path={run}/prometheus/data",
    ]
    again = SupervisedProcess(
        [binary, *options, f"--web.listen-address=127.0.0.1:{port}"], run / "again.log"
    )
    try:
        yield MonitoredRun(run, answers, began, ended, _ready(f"http://127.0.0.1:{port}", again))
    finally:
        again.end()


def _ready(address: str, program: SupervisedProcess) -> str:
    for _ in range(150):
        assert program.alive, program.last_words()
        try:
            ask(address, "vector(1)")
            return address
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"Prometheus is not ready: {program.last_words()}")


@pytest.mark.ray
@pytest.mark.parametrize(
    "panel",
    [panel for _, panel in FILLED],
    ids=[f"{name}: {panel.title}" for name, panel in FILLED],
)
def test_a_live_run_fills_the_panel(monitored: MonitoredRun, panel: Panel) -> None:
    for query in panel.queries:
        result = monitored.answers[query.expr]
        assert has_data(result), query.expr
        labels = set(re.findall(r"\{\{(\w+)\}\}", query.legend))
        assert all(labels <= set(series["metric"]) for series in result), (
            f"{query.legend} of {result[0]['metric']}"
        )
        if panel.unit == "percentunit" and panel.most == 1:
            assert all(0 <= float(s["value"][1]) <= 1 for s in result if s["value"][1] != "NaN")


@pytest.mark.ray
def test_the_runs_events_are_marked(monitored: MonitoredRun) -> None:
    result = ask(
        monitored.prometheus,
        filled(EVENTS.expr, monitored.run),
        start=monitored.began_s,
        end=monitored.ended_s,
        step=1,
    )
    events = {series["metric"]["event"] for series in result}
    assert {"started", "scaled", "stopping", "ended"} <= events
    assert "slot" not in events
    assert all(len(series["values"]) < 12 for series in result), "a mark is a moment"


def _summary(monitored: MonitoredRun) -> dict[str, Any]:
    tree = json.loads((monitored.run / "summary.json").read_text())
    summary: dict[str, Any] = tree["policies"]["drc"]
    return summary


def _panel(title: str) -> tuple[Query, ...]:
    return next(panel.queries for panel in overview.BOARD.panels if panel.title == title)


@pytest.mark.ray
def test_counts_means_and_hit_ratios_agree_with_the_summary(monitored: MonitoredRun) -> None:
    summary = _summary(monitored)
    store, reused = _panel("Hit ratio")
    pairs = [
        (_panel("Mean response")[0], summary["response_per_request_ms"]["mean"] / 1e3),
        (store, summary["hit_ratio"]["mean"]),
        (reused, summary["hit_ratio_in_slot"]["mean"]),
    ]
    for query, value in pairs:
        assert value > 0, query.expr
        assert monitored.value(query.expr) == pytest.approx(value, rel=0.02), query.expr
    done = monitored.value(_panel("Requests done")[0].expr)
    assert done == summary["requests"]["mean"], (
        "the exporters were up for one scrape more after the last request"
    )
    assert monitored.value(_panel("Rejected or failed")[0].expr) == 0
    assert summary["failed"]["mean"] + summary["rejected"]["mean"] == 0


@pytest.mark.ray
def test_steps_agree_with_the_record(monitored: MonitoredRun) -> None:
    rows = [row for row in read_run(monitored.run)[0] if row["cut_step"] is not None]
    for kind in ("edge_steps", "saved_steps"):
        steps = sum(row[kind] for row in rows)
        exported = monitored.value(f"sum({so_far(of_edge(f'{kind}_total'))})")
        assert exported == pytest.approx(steps, rel=0.03), kind  # some are handed over at the end
    for name in ("cut_step", "reuse_limit"):
        total, count = (so_far(of_edge(f"{name}_{part}")) for part in ("sum", "count"))
        mean = np.mean([row[name] for row in rows])
        assert monitored.value(ratio(total, count)) == pytest.approx(mean, rel=0.03), name


@pytest.mark.ray
def test_quantiles_agree_with_the_summary_within_one_bucket(monitored: MonitoredRun) -> None:
    metrics = _summary(monitored)
    times = [row["total_s"] for row in read_run(monitored.run)[0] if row["result"] == "done"]
    for query, q in zip(_panel("Response time"), (50, 95, 99), strict=True):
        value = float(np.percentile(times, q))
        assert metrics[f"p{q}_s"]["mean"] in (None, pytest.approx(value))  # of too few: null
        assert _buckets_apart(monitored.value(query.expr), value) <= 1, q
    assert max(b / a for a, b in itertools.pairwise(SECONDS)) < 1.2501


@pytest.mark.ray
@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage != "uplink"])
def test_a_stages_mean_and_quantiles_agree_with_the_record(
    monitored: MonitoredRun, stage: str
) -> None:
    rows, _ = read_run(monitored.run)
    times = np.array([row[f"{stage}_s"] for row in rows if row["result"] == "done"])
    total, count, buckets = (
        so_far(of_edge(f"request_seconds_{kind}", f'stage="{stage}"'))
        for kind in ("sum", "count", "bucket")
    )
    assert monitored.value(ratio(total, count)) == pytest.approx(times.mean(), rel=0.02, abs=1e-9)
    for q in (0.5, 0.95, 0.99):
        exported = monitored.value(quantile(q, buckets))
        assert _buckets_apart(exported, float(np.quantile(times, q))) <= 1, (stage, q)


def _buckets_apart(a: float, b: float) -> int:
    return abs(bisect.bisect_left(SECONDS, a) - bisect.bisect_left(SECONDS, b))
