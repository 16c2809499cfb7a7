"""`midstep reproduce --engine` from end to end; the road writes what the simulator plays, so that
both must agree."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from midstep.errors import EXIT_DIED
from midstep.scenario import Scenario
from midstep.telemetry.record import COLUMNS, RequestRow
from orchestrator import roads
from orchestrator.cli import main
from orchestrator.evaluation.experiment import pool
from orchestrator.evaluation.experiment.plan import Plan
from orchestrator.evaluation.experiment.playing import Setup
from orchestrator.evaluation.experiment.points import expand
from orchestrator.evaluation.figures import sweeps
from orchestrator.evaluation.figures.engine import command, live, real, settings
from orchestrator.evaluation.figures.engine.settings import Setting
from orchestrator.evaluation.figures.values import Effort
from orchestrator.evaluation.simulator.many import Workers
from orchestrator.evaluation.simulator.scenario_preset import preset_of
from orchestrator.records.tables import write_parquet
from tests.orchestrator.evaluation.figures.written import written

TINY = Effort(seeds=2, slots=10)


def road(scenario: Scenario, folder: Path) -> None:
    slots = round(scenario.duration_s / scenario.slot_seconds)
    preset = settings.SHARED.preset.model_copy(update={"slot_seconds": scenario.slot_seconds})
    if scenario.reuse.tolerance is not None:
        preset = preset_of(scenario)
    rollout = written(scenario.policy.name, preset, scenario.seed, slots, 0)
    number = len(rollout.rows["due_s"])
    rows = [
        {name: rollout.rows[name][i] if name in rollout.rows else None for name in COLUMNS}
        for i in range(number)
    ]
    folder.mkdir(parents=True)
    write_parquet(folder / "requests.parquet", RequestRow, rows)
    (folder / "summary.json").write_text(json.dumps({"verdict": "VALID"}))


def failing(scenario: Scenario, folder: Path) -> None:
    if scenario.last_step == 9 and scenario.seed == 1:
        raise ValueError("no more")
    road(scenario, folder)


def never(scenario: Scenario, folder: Path) -> None:
    pytest.fail("played again")


def options(out: Path, play: pool.Road, *figures: str) -> command.Options:
    def setups(plan: Plan, jobs: int | None, address: str | None, text: str) -> Setup:
        return Setup(road=play, check=lambda _: None, executor=pool.here, jobs=1, command=text)

    return command.Options(
        figures=figures,
        policies=["greedy"],
        effort=TINY,
        out=str(out),
        setups=setups,
        command="midstep reproduce fig9 --engine",
    )


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for room in (command, live, real):
        monkeypatch.setattr(room, "Workers", lambda: Workers(1))


def test_a_point_of_the_engine_is_the_simulators() -> None:
    for figure in settings.FIGURES:
        for x, setting in settings.sweep(figure).items():
            assert setting.preset == sweeps.SWEEPS[figure].preset(x)
            plan = settings.plan("engine", [(setting, ["drc"])], TINY, {})
            (point, other) = expand(plan, Path("engine.yaml"))
            same = {"name": "compact", "split_step": 6}  # m0 is of the shared edge alone
            assert preset_of(point.scenario).model_copy(update=same) == setting.preset
            assert settings.key_of(point) == (setting, "drc", 0) and other.seed == 1
            assert point.scenario.duration_s == 10 and point.scenario.warmup_s == 2


def test_what_is_one_run_is_played_once() -> None:
    runs = [(s, sweeps.PAPER) for f in settings.FIGURES for s in settings.sweep(f).values()]
    points = expand(settings.plan("engine", runs, TINY, {}), Path("engine.yaml"))
    # 13 settings of three policies; ncldc depends on the users alone
    assert len(points) == TINY.seeds * (13 * 3 + 5)
    assert Setting(last_step=9).under("ncldc") == settings.SHARED


def test_engine_over_simulator_and_nothing_is_played_twice(tmp_path: Path) -> None:
    assert command.reproduce(options(tmp_path, road, "fig9")) == 0
    rows = list(csv.DictReader((tmp_path / "fig9-engine.csv").open()))
    assert {row["policy"] for row in rows} == {"ncldc", "greedy"}
    apart = [float(row["engine above simulated, %"] or 0) for row in rows]
    assert len(apart) == 5 * 2 * 8 and np.abs(apart).max() < 1e-6
    tree = json.loads((tmp_path / "engine.json").read_text())
    hits = [r for r in tree["rows"] if (r["policy"], r["metric"]) == ("greedy", "hit_ratio")]
    assert all(r["engine"] == pytest.approx(r["simulated"]) and r["engine"] > 0.1 for r in hits)
    assert "Furthest apart" in (tmp_path / "engine.md").read_text()
    pixels = np.asarray(Image.open(tmp_path / "fig9-engine.png").convert("L"))
    assert pixels.shape[1] > 600 and pixels.std() > 10
    before = (tmp_path / "fig9-engine.csv").read_text()
    assert command.reproduce(options(tmp_path, never, "fig9")) == 0
    assert (tmp_path / "fig9-engine.csv").read_text() == before


def test_a_run_that_failed_is_named_and_costs_the_figure_that_run_alone(tmp_path: Path) -> None:
    assert command.reproduce(options(tmp_path, failing, "fig9")) == EXIT_DIED
    page = (tmp_path / "engine.md").read_text()
    assert "failed: ValueError: no more" in page
    rows = json.loads((tmp_path / "engine.json").read_text())["rows"]
    last = [r for r in rows if r["point"] == 9 and r["policy"] == "greedy"]
    assert all(r["engine"] is not None for r in last)  # of the seed that is there
    assert command.reproduce(options(tmp_path, road, "fig9")) == 0
    assert "failed" not in (tmp_path / "engine.md").read_text()


def test_roads_that_agree_are_equal_on_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "USERS", (5, 20))
    monkeypatch.setattr(live, "CURVE", ("ncldc", "greedy"))
    assert live.reproduce(options(tmp_path, road)) == 0
    page = (tmp_path / "live.md").read_text()
    (below,) = [line for line in page.splitlines() if line.startswith("| greedy |")]
    cells = below.split(" | ")[1:]
    assert len(cells) == 3 and len({cell.strip(" |") for cell in cells}) == 1
    (hits,) = [line for line in page.splitlines() if "greedy | hit ratio" in line]
    assert hits.endswith("+0 ± 0 % |") and Image.open(tmp_path / "users.png").width > 400


def test_measured_times_stand_beside_the_formulas(tmp_path: Path) -> None:
    assert real.reproduce(options(tmp_path, road)) == 0
    page = (tmp_path / "real.md").read_text()
    lines = [line for line in page.splitlines() if line.startswith("| greedy |")]
    assert len(lines) == 1 and lines[0].count(" % |") == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fig7", "--engine"], "fig7: the engine plays fig8, fig9, fig10"),
        (["--engine", "--seeds", "1"], "at least 2 seeds"),
        (["--engine", "--slots", "5"], "10 slots"),
        (["--engine", "--policies", "lru"], "--policies: 'lru' is in no figure"),
        (["--engine", "--out", "there/file"], "--out there/file: the folder cannot be made"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(roads, "setup", lambda *_: pytest.fail("something was played"))
    Path("there").write_text("")
    assert main(["reproduce", *arguments]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and message in lines[0]
