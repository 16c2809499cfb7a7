"""`midstep validate`, end to end on roads that are quick."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from midstep.errors import PartDied, ScenarioError
from midstep.scenario import Modes, Scenario
from midstep.scenario_file import load, parse
from orchestrator import roads
from orchestrator.evaluation.validation.command import Validation, validate
from orchestrator.evaluation.validation.roads import Roads
from tests import paced

OPEN = {"catalogue_size": 20, "arrivals": {"poisson": {"per_user_per_minute": 12}}}


def scenario() -> Scenario:
    return parse(paced.tree(workload=OPEN, duration_s=30, policy={"name": "lru"}))


def slower_link(scenario: Scenario, folder: Path) -> None:
    """A road whose link has not the rate that it says."""
    channel = scenario.channel.model_copy(update={"frame_bytes": 600_000})
    roads.simulate(scenario.model_copy(update={"channel": channel}), folder)


def unhurried(scenario: Scenario, folder: Path) -> None:
    """In the place of live runs: nobody waits."""
    modes = Modes(clock="virtual", denoiser="paced", wire="inprocess")
    roads.virtual(scenario.model_copy(update={"modes": modes}), folder)


def dead(scenario: Scenario, folder: Path) -> None:
    raise PartDied("the edge has died")


def three(**changed: object) -> Roads:
    same = {"simulate": roads.simulate, "virtual_time": roads.virtual, "on_the_wall": unhurried}
    return Roads(**{**same, **changed})  # type: ignore[arg-type]


def test_simulator_and_virtual_time_agree_and_leave_every_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = Validation(repetitions=2, out=str(tmp_path / "v"), strict=True, command="midstep v")
    assert validate(scenario(), options, three()) == 0
    tree = json.loads((tmp_path / "v" / "validation.json").read_text())
    assert tree["verdict"] == "AGREE"
    titles = [(one["predicted"], one["measured"]) for one in tree["findings"]]
    assert titles == [
        ("simulator", "virtual time"),
        ("simulator", "live"),
        ("virtual time", "live"),
    ]
    first = tree["findings"][0]["pairing"]
    assert first["matched"] == first["requests"] > 20
    names = sorted(path.name for path in (tmp_path / "v" / "points" / "as-it-is").iterdir())
    assert names == ["live-1", "live-2", "simulated", "virtual"]
    assert "AGREE" in capsys.readouterr().out
    with (tmp_path / "v" / "table.csv").open() as file:
        assert {row["within"] for row in csv.DictReader(file)} == {"True"}


def test_a_link_that_is_slower_than_it_says_is_found(tmp_path: Path) -> None:
    options = Validation(repetitions=1, out=str(tmp_path / "v"), strict=True)
    assert validate(scenario(), options, three(on_the_wall=slower_link)) == 1
    tree = json.loads((tmp_path / "v" / "validation.json").read_text())
    assert tree["verdict"].startswith("DIFFER: as it is: simulator against live")
    page = (tmp_path / "v" / "validation.md").read_text()
    assert "misses a bound: transfer mean" in page
    assert "ms of it are the link" in page


def test_a_measurement_that_is_not_valid_agrees_with_nothing(tmp_path: Path) -> None:
    def overloaded(scenario: Scenario, folder: Path) -> None:
        unhurried(scenario, folder)
        tree = json.loads((folder / "summary.json").read_text())
        tree["verdict"] = "INVALID: emulator overloaded"
        (folder / "summary.json").write_text(json.dumps(tree))

    options = Validation(repetitions=1, out=str(tmp_path / "v"), strict=True)
    assert validate(scenario(), options, three(on_the_wall=overloaded)) == 1
    tree = json.loads((tmp_path / "v" / "validation.json").read_text())
    assert tree["verdict"].startswith("INVALID: a measurement did not keep its own bounds")


def test_a_trace_is_met_by_all_roads_at_its_own_instants(tmp_path: Path) -> None:
    table = tmp_path / "asked.csv"
    lines = [f"{0.3 * n:.1f},{n % 4},a lion on a beach" for n in range(60)]
    table.write_text("time,user,prompt\n" + "\n".join(lines) + "\n")
    workload = {"catalogue_size": 20, "trace": str(table)}
    traced = parse(paced.tree(workload=workload, duration_s=30, policy={"name": "lru"}))
    assert validate(traced, Validation(repetitions=0, out=str(tmp_path / "v")), three()) == 0
    tree = json.loads((tmp_path / "v" / "validation.json").read_text())
    assert tree["run"]["arrivals"] == "recorded"
    assert tree["findings"][0]["pairing"]["correlation"] > 0.98
    with pytest.raises(ScenarioError, match="has the load that it has"):
        validate(traced, Validation(loads=(0.5,), repetitions=0), three())


def test_what_was_compared_before_a_death_is_on_disk(tmp_path: Path) -> None:
    out = tmp_path / "v"
    options = Validation(loads=(0.2, 0.4), repetitions=1, out=str(out))
    calls = iter((unhurried, dead))

    def dies_later(scenario: Scenario, folder: Path) -> None:
        next(calls)(scenario, folder)

    with pytest.raises(PartDied, match="the edge has died"):
        validate(scenario(), options, three(on_the_wall=dies_later))
    tree = json.loads((out / "validation.json").read_text())
    assert [one["point"] for one in tree["findings"]] == ["load 0.2"] * 3


def test_an_interrupted_run_has_the_status_of_an_interruption(tmp_path: Path) -> None:
    with pytest.raises(PartDied, match="status 130") as raised:
        roads._ended(130, tmp_path)
    assert raised.value.exit_status == 130
    with pytest.raises(PartDied) as raised:
        roads._ended(3, tmp_path)
    assert raised.value.exit_status == 3


def test_what_the_simulator_cannot_play_is_refused_before_a_folder_is_made(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"^modes\.edge: by discrete events the edge is shared"):
        validate(load("paper"), Validation(out=str(tmp_path / "v")), three())
    assert not (tmp_path / "v").exists()
