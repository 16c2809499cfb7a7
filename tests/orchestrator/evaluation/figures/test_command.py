"""`midstep reproduce`, end to end and tiny: what it leaves, what it takes up again, what it
refuses."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from orchestrator.cli import main
from orchestrator.evaluation.figures import command, sweeps, values
from orchestrator.evaluation.figures.values import Effort, Values
from orchestrator.evaluation.simulator.many import Workers, play_lanes

TINY = Effort(seeds=2, slots=100, pictures=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything, in this one process: what it costs to start others is not what is tested."""
    out = tmp_path_factory.mktemp("reproduce")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "Workers", lambda: Workers(1))
        assert command.reproduce(["all"], TINY, str(out)) == 0
    return out


@pytest.mark.parametrize("figure", command.FIGURES)
def test_every_figure_is_a_picture_and_a_table(folder: Path, figure: str) -> None:
    pixels = np.asarray(Image.open(folder / f"{figure}.png").convert("L"))
    assert pixels.shape[1] > 600 and pixels.std() > 10
    assert (folder / f"{figure}.png").stat().st_size < 100_000
    rows = list(csv.DictReader((folder / f"{figure}.csv").open()))
    assert list(rows[0]) == ["point", "policy", "metric", "mean", "ci95", "seeds"]
    assert {row["seeds"] for row in rows} == {"2"}
    assert any(float(row["mean"] or 0) > 0 for row in rows)


def test_the_sweeps_have_the_papers_points_and_policies(folder: Path) -> None:
    for figure, points in {
        "fig8": "5 10 15 20 25",
        "fig9": "5 6 7 8 9",
        "fig10": "1 2 3 4 5",
    }.items():
        rows = list(csv.DictReader((folder / f"{figure}.csv").open()))
        assert list(dict.fromkeys(row["point"] for row in rows)) == points.split()
        assert {"ncldc", "dnn", "oo", "drc", "drc-paper", "drc-item", "greedy"} == {
            row["policy"] for row in rows
        }
    assert [sweeps.SWEEPS["fig10"].preset(g).capacity for g in (1, 3, 5)] == [25, 75, 125]
    assert sweeps.SWEEPS["fig6"].preset(1800) == sweeps.SWEEPS["fig8"].preset(20)


def test_the_shared_point_is_one_and_the_same(folder: Path) -> None:
    eighth, ninth, tenth = (read(folder, f) for f in ("fig8", "fig9", "fig10"))
    assert (
        eighth.at(20, "drc", "response_by_slot_ms").tolist()
        == ninth.at(6, "drc", "response_by_slot_ms").tolist()
    )
    assert (
        eighth.at(20, "drc", "response_by_slot_ms").tolist()
        == tenth.at(3, "drc", "response_by_slot_ms").tolist()
    )
    assert (
        tenth.at(3, "drc", "response_by_slot_ms") < tenth.at(1, "drc", "response_by_slot_ms")
    ).all()


def test_claims_and_summary_tell_the_same(folder: Path) -> None:
    tree = json.loads((folder / "claims.json").read_text())
    assert {row["figure"] for row in tree["claims"]} == set(command.FIGURES)
    assert {row["verdict"] for row in tree["claims"]} <= {
        "reproduced",
        "in form only",
        "not reproduced",
    }
    below = next(
        row for row in tree["claims"] if row["paper"] == "22.35 %" and "at 3 G" in row["claim"]
    )
    tenth = read(folder, "fig10")
    share = 1 - tenth.at(3, "drc", "response_by_slot_ms") / tenth.at(
        3, "ncldc", "response_by_slot_ms"
    )
    assert below["mean"] == pytest.approx(share.mean())
    page = (folder / "claims.md").read_text()
    assert all(f"| {row['ours']} |" in page for row in tree["claims"]) and "quick" not in page
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["policies"]["drc"]["response_by_slot_ms"]["mean"] == pytest.approx(
        tenth.at(3, "drc", "response_by_slot_ms").mean()
    )
    assert summary["run"]["seeds"] == [0, 1] and summary["run"]["modes"] == {
        "edge": "coupled",
        "timing": "reactive",
    }


def test_what_lies_there_is_not_simulated_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sweeps, "play", lambda *_: pytest.fail("simulated again"))
    before = (folder / "fig8.csv").read_text()
    assert command.reproduce(["fig8"], TINY, str(folder)) == 0
    assert "fig8: simulated before" in capsys.readouterr().out
    assert (folder / "fig8.csv").read_text() == before
    assert values.load(folder, "fig8", 3, 100) is None  # of another number of seeds


@pytest.mark.parametrize("policies", [["drc-item", "greedy"], ["drc", "oo"]])
def test_few_policies_are_swept_drawn_and_judged_by_themselves(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, policies: list[str]
) -> None:
    monkeypatch.setattr(command, "Workers", lambda: Workers(1))
    assert command.reproduce(["fig6", "fig10"], TINY, str(tmp_path), policies) == 0
    assert set(read(tmp_path, "fig10").policies()) == set(policies)
    claims = {row["claim"] for row in json.loads((tmp_path / "claims.json").read_text())["claims"]}
    assert bool(claims) == ("drc" in policies) and not any(
        "NCLDC" in c or "of the four" in c for c in claims
    )
    assert set(json.loads((tmp_path / "summary.json").read_text())["policies"]) == set(policies)
    assert (tmp_path / "fig6.png").exists() and (tmp_path / "fig10.png").exists()
    before = read(tmp_path, "fig10")
    more = [*policies, "ncldc"]
    # what lies there is too little
    assert command.reproduce(["fig10"], TINY, str(tmp_path), more) == 0
    after = read(tmp_path, "fig10")
    assert set(after.policies()) == {*policies, "ncldc"}
    assert (
        after.at(3, policies[0], "hit_ratio").tolist()
        == before.at(3, policies[0], "hit_ratio").tolist()
    )


def test_other_policies_join_those_that_an_earlier_command_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(command, "Workers", lambda: Workers(1))
    assert command.reproduce(["fig6"], TINY, str(tmp_path), ["greedy"]) == 0
    before = read(tmp_path, "fig6")
    assert command.reproduce(["fig6"], TINY, str(tmp_path), ["drc"]) == 0
    after = read(tmp_path, "fig6")
    assert after.policies() == ["drc", "greedy"]
    assert [point["greedy"] for point in after.points] == [p["greedy"] for p in before.points]


def test_what_an_older_version_left_is_simulated_again(tmp_path: Path) -> None:
    Values("fig8", 2, 100, [5.0], [{"drc": {"response_by_slot_ms": [1.0, 2.0]}}]).save(tmp_path)
    assert values.load(tmp_path, "fig8", 2, 100) is not None
    Values("fig8", 2, 100, [5.0], [{"drc": {"saved_ms": [1.0, 2.0]}}]).save(tmp_path)
    assert values.load(tmp_path, "fig8", 2, 100) is None


def test_ctrl_c_leaves_what_was_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def rollout(figure: str, *_: object) -> Values:
        if figure != "fig8":
            raise KeyboardInterrupt
        metrics = (
            "response_by_slot_ms",
            "hit_ratio",
            "saved_vs_ncldc_ms",
            "saved_vs_ncldc_per_request_ms",
        )
        point = {name: {m: [1.0, 1.1] for m in metrics} for name in sweeps.PAPER}
        return Values("fig8", 2, 100, [5.0, 20.0], [point, point])

    monkeypatch.setattr(command, "_play", rollout)
    assert command.reproduce(["fig8", "fig9"], TINY, str(tmp_path)) == 130
    assert f"--out {tmp_path} goes on" in capsys.readouterr().out
    assert (tmp_path / "fig8.png").exists() and not (tmp_path / "fig9.csv").exists()
    assert {
        row["figure"] for row in json.loads((tmp_path / "claims.json").read_text())["claims"]
    } == {"fig8"}


def test_quick_means_less_and_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[tuple[list[str], Effort]] = []
    monkeypatch.setattr(
        command, "reproduce", lambda names, work, out, policies: calls.append((names, work)) or 0
    )
    for arguments in ([], ["fig8", "--quick"], ["all", "--quick", "--seeds", "4"]):
        assert main(["reproduce", *arguments]) == 0
    (_, paper), (names, quick), (_, more) = calls
    assert (paper.seeds, paper.slots, paper.quick) == (12, 10_000, False)
    assert (quick.seeds, quick.slots, quick.quick) == (3, 1_500, True) and names == ["fig8"]
    assert (more.seeds, more.slots, more.quick) == (4, 1_500, True)
    assert "**A quick run: 3 seeds and 1,500 slots" in command.page.markdown(
        [], command.about({}, quick, 1.0)
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fig4"], "no figure 'fig4'; there is fig5, fig6"),
        (["--seeds", "1"], "at least 2 seeds"),
        (["--slots", "10"], "50 slots"),
        (
            ["fig8", "--policies", "drc,lru"],
            "--policies: 'lru' is in no figure; there is ncldc, dnn, oo, drc",
        ),
        (["fig6", "--policies", "oo"], "--policies oo: fig6 compares none of them"),
        (["fig8", "--out", "there/file"], "--out there/file: the folder cannot be made"),
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
    Path("there").write_text("")
    assert main(["reproduce", *arguments]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and message in lines[0]


def test_how_lanes_are_cut_changes_nothing() -> None:
    lanes = [(sweeps.SWEEPS["fig8"].preset(users), seed) for users in (5, 10) for seed in range(2)]
    shares: list[float] = []
    one = play_lanes(lanes, ["ncldc", "greedy"], 60, 12, jobs=1)
    two = play_lanes(lanes, ["ncldc", "greedy"], 60, 12, shares.append, jobs=2)
    for name, metrics in one.items():
        for metric, column in metrics.items():
            assert np.array_equal(column, two[name][metric], equal_nan=True), (name, metric)
    assert 0 < sum(shares) <= 1 + 1e-9


def read(folder: Path, figure: str) -> Values:
    numbers = values.load(folder, figure, TINY.seeds, TINY.slots)
    assert numbers is not None
    return numbers
