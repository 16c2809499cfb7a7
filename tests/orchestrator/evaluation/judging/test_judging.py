"""Pictures are judged by what their prompts say; intervals know which pictures go together."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from midstep.diffusion.pipelines import MODELS
from midstep.reuse import judge
from midstep.reuse.proportions import wilson
from midstep.reuse.render import Spec, render
from midstep.scenario import Scenario
from midstep.scenario_file import parse
from midstep.telemetry.record import Gallery
from midstep.workload.catalogue import Ending, load_catalogue
from orchestrator.cli import main
from orchestrator.evaluation.judging.shares import Outcome, difference, share
from orchestrator.evaluation.judging.verdicts import write_verdicts
from orchestrator.records import report, summary
from orchestrator.records.picture_judge import Finding
from orchestrator.records.recorder import Recorder
from orchestrator.records.rows import EndedRequest
from orchestrator.records.run_reader import read_run
from tests import paced
from tests.orchestrator.records.record_rows import row, slot
from user_agent.pictures import png

WORDS = load_catalogue(MODELS / "midstep-emoji")
PLAIN = next(i for i, edge in enumerate(WORDS.edges) if WORDS.backgrounds[edge.background].rgb)
CORE = WORDS.edge_prompts[PLAIN]
OWN = Spec(WORDS.edges[PLAIN], Ending(1, 2))
OTHER = Spec(WORDS.edges[PLAIN], Ending(2, 2))  # another size


def outcomes(right: str, groups: str) -> list[Outcome]:
    return [
        Outcome(right=letter == "r", picture=str(number), group=group)
        for number, (letter, group) in enumerate(zip(right, groups, strict=True))
    ]


def test_independent_pictures_have_wilsons_interval() -> None:
    one = share(outcomes("r" * 97 + "w" * 3, [*map(str, range(100))]))  # type: ignore[arg-type]
    low, high = wilson(97, 100)
    assert (one.right, one.count, one.different) == (97, 100, 100)
    assert (one.low, one.high) == pytest.approx((low, high), abs=0.003)


def test_pictures_that_fail_together_are_worth_fewer() -> None:
    """Ten prompts of ten pictures each, one of which fails altogether: ten values, not a
    hundred."""
    together = share(outcomes("r" * 90 + "w" * 10, "".join(f"{n}" * 10 for n in range(10))))
    assert (together.low, together.high) == pytest.approx(wilson(9, 10), abs=0.03)
    equal = [Outcome(right=True, picture="the same", group="a") for _ in range(1000)]
    assert share(equal).low == wilson(1, 1)[0]  # a picture that is shown often was judged once


def test_the_difference_is_of_pairs() -> None:
    groups = [*map(str, range(400))]
    first = outcomes("r" * 380 + "w" * 20, groups)  # type: ignore[arg-type]
    second = outcomes("r" * 376 + "w" * 24, groups)  # type: ignore[arg-type]
    gap = difference([*zip(first, second, strict=True)])
    assert gap.mean == pytest.approx(-0.01) and gap.low < -0.01 < gap.high
    # 4 of 400 changed, all for the worse; unpaired the interval would be 6 points wide
    assert gap.high - gap.low < 0.025
    same = difference([*zip(first, first, strict=True)])
    assert same.mean == 0 and same.low < 0 < same.high  # nothing seen is not nothing


@pytest.fixture(autouse=True)
def one_position(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fifth of the judge's renders: these pictures are not near another's."""
    monkeypatch.setattr(judge, "SHIFTS", judge.SHIFTS[:1])


@pytest.fixture
def real() -> Scenario:
    return parse(paced.tree(modes={"clock": "virtual", "denoiser": "real", "wire": "inprocess"}))


def record(folder: Path, scenario: Scenario, specs: list[Spec], seed: int = 5) -> Recorder:
    """A run of one core prompt, whose users all ask for OWN and get what `specs` say."""
    recorder = Recorder(folder, scenario)
    own = {"prompt": WORDS.prompt(OWN.edge, OWN.ending), "edge_prompt": CORE, "seed": seed}
    cut = {"reuse_limit": 12, "cut_step": 12, "edge_steps": 12, "device_steps": 8}
    for number, spec in enumerate(specs):
        picture = png(render(WORDS, spec, number))
        recorder.ended([EndedRequest(row(number, **own, **cut), picture)])
    recorder.ended([EndedRequest(row(99, prompt="a poem", reuse_limit=6, seed=seed), None)])
    recorder.slot(slot(0))
    return recorder


def close(recorder: Recorder, scenario: Scenario) -> None:
    rows = [one.dict() for one in recorder.rows.values()]
    recorder.close()
    facts = summary.RunFacts()
    summary.write(recorder.folder, summary.summarise(scenario, rows, [], [], facts))


def test_a_run_is_judged_and_compared_with_one_without_reuse(
    real: Scenario, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    close(record(tmp_path / "run", real, [OWN, OWN, OTHER]), real)
    report.write(tmp_path / "run")
    close(record(tmp_path / "none", real, [OWN, OWN, OWN]), real)
    folders = [str(tmp_path / name) for name in ("run", "none")]
    assert main(["judge", folders[0], "--against", folders[1]]) == 0
    out = capsys.readouterr().out
    assert "3 pictures judged; 1 ask for something outside the catalogue" in out
    assert "66.67%" in out and "3 pairs, 66.67% right and 100.00% there; -33.33 points" in out
    rows = {one["request_id"]: one for one in read_run(tmp_path / "run")[0]}
    fidelity = [rows[f"r-{number}"]["fidelity"] for number in (0, 1, 2, 99)]
    assert fidelity == [1.0, 1.0, 0.0, None]
    tree = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert tree["policies"]["lru"]["fidelity"]["mean"] == pytest.approx(2 / 3)
    assert "pictures that show their prompt" in (tmp_path / "run" / "report.html").read_text()
    with (tmp_path / "run" / "judged.csv").open() as file:
        shown = {one["request_id"]: one["shows"] for one in csv.DictReader(file)}
    assert shown["r-2"] == WORDS.prompt(OTHER.edge, OTHER.ending)
    assert not (tmp_path / "none" / "judged.csv").exists()  # it is only read


def test_a_run_that_broke_off_keeps_its_journal_and_gets_the_table(
    real: Scenario, tmp_path: Path
) -> None:
    folder = record(tmp_path / "run", real, [OWN]).folder
    journal = (folder / "requests.jsonl").read_bytes()
    write_verdicts(folder, {"r-0": Finding(right=True, prompt="a panda")})
    assert (folder / "judged.csv").read_text().splitlines()[1].endswith("computed,12,1.0,a panda")
    assert (folder / "requests.jsonl").read_bytes() == journal
    assert not (folder / "requests.parquet").exists()


def test_what_was_judged_before_is_kept(
    real: Scenario, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A picture that was cut off since then, or is gone, is judged no more; its verdict stays."""
    close(record(tmp_path / "run", real, [OWN, OTHER, OWN, OWN]), real)
    assert main(["judge", str(tmp_path / "run")]) == 0
    cut_off = tmp_path / "run" / "images" / "r-0.png"
    cut_off.write_bytes(cut_off.read_bytes()[:200])
    (tmp_path / "run" / "images" / "r-1.png").unlink()
    capsys.readouterr()
    assert main(["judge", str(tmp_path / "run")]) == 0
    out = capsys.readouterr().out
    assert "2 pictures judged" in out and "1 have no picture in images/" in out
    assert "1 are damaged, or of another size" in out
    rows = {one["request_id"]: one for one in read_run(tmp_path / "run")[0]}
    assert [rows[f"r-{number}"]["fidelity"] for number in range(4)] == [1.0, 0.0, 1.0, 1.0]


def test_the_shares_are_said_also_where_the_folder_cannot_be_written(
    real: Scenario, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    close(record(tmp_path / "run", real, [OWN]), real)
    (tmp_path / "run" / "judged.csv").mkdir()
    assert main(["judge", str(tmp_path / "run")]) == 2
    captured = capsys.readouterr()
    assert "1 pictures judged" in captured.out and "100.00%" in captured.out
    (line,) = [line for line in captured.err.splitlines() if "midstep:" in line]
    assert "cannot be written" in line


def test_references_are_judged_where_the_catalogue_can(real: Scenario, tmp_path: Path) -> None:
    recorder = record(tmp_path / "run", real, [OWN, OTHER])
    whole = png(render(WORDS, OWN, 0))
    noise = png(np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8))
    recorder.compared(
        Gallery(
            request_id=f"r-{number}",
            frame=noise if number else None,  # the first was made by its device alone
            picture=png(render(WORDS, spec, number)),
            reference=whole,
            psnr_db=30.0,
        )
        for number, spec in enumerate((OWN, OTHER))
    )
    first, second = (recorder.rows[f"r-{number}"] for number in (0, 1))
    assert (first.ssim, first.fidelity) == (pytest.approx(1.0), 1.0)
    assert second.fidelity == 0.0 and second.ssim is not None and second.ssim < 0.99


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("paced", "they are paced, nothing was drawn"),
        ("no pictures", "2 have no picture in images/"),
        ("itself", "that is the run itself"),
        ("other seed", "no request of"),
    ],
)
def test_what_cannot_be_judged_is_one_line(
    case: str,
    words: str,
    real: Scenario,
    scenario: Scenario,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "run"
    close(record(run, scenario if case == "paced" else real, [OWN, OWN]), real)
    command = ["judge", str(run)]
    if case == "no pictures":
        for path in (run / "images").iterdir():
            path.unlink()
    elif case == "itself":
        command += ["--against", str(run)]
    elif case == "other seed":
        close(record(tmp_path / "none", real, [OWN], seed=6), real)
        command += ["--against", str(tmp_path / "none")]
    assert main(command) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "midstep:" in line]
    assert words in line
    assert not (run / "judged.csv").exists()
