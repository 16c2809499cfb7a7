"""The reuse limit of a request: by its class, from the table, or by model.split_step."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from midstep.diffusion.factory import paced_identity
from midstep.diffusion.pipelines import revision
from midstep.errors import ScenarioError
from midstep.reuse.limits import TABLE, ReuseLimits, open_limits, reuse_class
from midstep.reuse.table import Cell, ReuseTable
from midstep.scenario import Scenario
from midstep.scenario_file import load
from midstep.workload.catalogue import Catalogue, Ending
from midstep.workload.requests import find_catalogue
from midstep.workload.user_request import UserRequest
from tests.midstep.reuse.measured import identity, table

CATALOGUE: Catalogue = find_catalogue(load("laptop"))
CORE = CATALOGUE.edge_prompts[0]
OWN = {
    "core": CORE,
    "size": CATALOGUE.user_prompt(0, 1, 0),
    "position": CATALOGUE.user_prompt(0, 0, 2),
    "size and position": CATALOGUE.user_prompt(0, 2, 3),
    "words": f"{CORE}, in oil",
}


PACED = "modes.denoiser=paced"


def scenario(path: Path | None = None, **reuse: Any) -> Scenario:
    """`laptop`, paced, with a table of its own."""
    settings = [PACED, *(f"reuse.{key}={value}" for key, value in reuse.items())]
    return load("laptop", [*settings, *([f"reuse.table={path}"] if path else [])])


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A table in which a size is right up to step 6, position and both up to 12, a variation up to
    9."""
    wrong = {(kind, 13): 300 for kind in ("position", "size and position")}
    wrong |= {("size", 7): 300, ("variation", 10): 300}
    return save(table(wrong), tmp_path)


def save(one: ReuseTable, folder: Path) -> Path:
    one.save(folder / TABLE)
    return folder / TABLE


def of(limits: ReuseLimits, prompt: str, **seeds: int) -> int:
    return limits.limit(UserRequest(prompt, CORE, **seeds))


def test_the_class_is_what_the_prompt_adds() -> None:
    for kind, prompt in OWN.items():
        assert reuse_class(CATALOGUE, prompt, CORE, False) == kind
        assert reuse_class(CATALOGUE, prompt, CORE, True) == "variation"
    assert reuse_class(None, OWN["size"], CORE, False) == "words"
    other = CATALOGUE.prompt(CATALOGUE.edges[1], Ending(1, 1))
    assert reuse_class(CATALOGUE, other, CORE, False) == "words"


def test_the_limit_is_that_of_the_class(saved: Path) -> None:
    limits = open_limits(scenario(saved), identity())
    assert limits.notice is None
    assert {kind: of(limits, prompt) for kind, prompt in OWN.items()} == {
        "core": 20,
        "size": 6,
        "position": 12,
        "size and position": 12,
        "words": 6,  # not measured: model.split_step
    }


def test_a_variation_holds_whatever_the_prompt_adds(saved: Path) -> None:
    limits = open_limits(scenario(saved), identity())
    assert of(limits, CORE, variation_seed=1) == 9
    assert of(limits, OWN["position"], variation_seed=1) == 9
    assert of(limits, OWN["size"], variation_seed=1) == 6
    assert of(limits, OWN["size"], private_seed=1) == 6
    by_psnr = open_limits(scenario(saved, metric="psnr", floor=30, share=0.9), identity())
    assert of(by_psnr, OWN["position"]) == 14
    assert of(by_psnr, OWN["position"], variation_seed=1) == 9  # there is no picture to be like


def test_one_bad_cell_lowers_the_limit(tmp_path: Path) -> None:
    """A test of the reading: a table in which a single step does not hold must not give its limit
    past it."""
    good = open_limits(scenario(save(table(), tmp_path)), identity())
    bad = open_limits(scenario(save(table({("size", 4): 12}), tmp_path)), identity())
    assert (of(good, OWN["size"]), of(bad, OWN["size"])) == (19, 3)
    assert of(bad, OWN["position"]) == 19


def test_paced_outputs_have_the_limits_of_the_model_by_name(saved: Path) -> None:
    paced = scenario(saved)
    assert of(open_limits(paced, paced_identity(paced.model)), OWN["position"]) == 12
    assert of(open_limits(paced), OWN["position"]) == 12


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"steps": 30}, "steps 20, the run has 30"),
        ({"guidance": 5.0}, "guidance 3.0, the run has 5.0"),
        ({"scheduler": "EulerDiscreteScheduler"}, "the run has EulerDiscreteScheduler"),
        ({"scheduler_config": "d"}, "scheduler_config"),
        ({"height": 128}, "height"),
    ],
)
def test_a_table_of_other_settings_says_nothing(
    change: Mapping[str, Any], word: str, saved: Path
) -> None:
    limits = open_limits(scenario(saved), identity(**change))
    assert limits.notice is not None and word in limits.notice and "\n" not in limits.notice
    assert "model.split_step, 6" in limits.notice
    assert (of(limits, OWN["position"]), limits.by_class) == (6, {})


def test_a_paced_run_of_another_sampler_falls_back(saved: Path) -> None:
    euler = load("laptop", [f"reuse.table={saved}", "model.scheduler=euler"])
    assert of(open_limits(euler, paced_identity(euler.model)), OWN["position"]) == 6


def test_what_was_not_measured_is_said(tmp_path: Path) -> None:
    some = tuple(cell for cell in table().cells if cell.kind == "position")
    path = save(table(cells=some), tmp_path)
    varied = load("laptop", [PACED, f"reuse.table={path}", "workload.variation_share=0.1"])
    limits = open_limits(varied)
    assert limits.notice == (
        "endings of size, endings of size and position, variations not measured, or on too few "
        "pictures for a share of 0.99: outputs serve such requests up to model.split_step, 6"
    )
    assert (of(limits, OWN["size"]), of(limits, OWN["position"])) == (6, 19)
    demanding = open_limits(scenario(path, share=0.995))  # would take 765 pictures, all right
    assert demanding.notice is not None and "endings of position" in demanding.notice
    assert of(demanding, OWN["position"]) == 6


def test_a_table_of_wider_frames_says_so(saved: Path, tmp_path: Path) -> None:
    limits = open_limits(scenario(saved, frame="int8"), identity())
    assert limits.notice is not None and "measured on float32 frames" in limits.notice
    assert open_limits(scenario(saved), identity()).notice is None
    narrow = save(table(frame="int8"), tmp_path)
    assert open_limits(scenario(narrow, frame="int8"), identity()).notice is None


def test_pictures_that_do_not_count_leave_too_few(tmp_path: Path) -> None:
    """390 pairs were drawn, 379 of them are right without reuse: all of these are right, and .99
    needs 381. That is no step that fails."""
    cells = [c for c in table().cells if c.metric == "psnr" or c.kind != "size"]
    few = [Cell.of("size", step, "fidelity", [1.0] * 379) for step in range(1, 20)]
    limits = open_limits(scenario(save(table(cells=(*cells, *few)), tmp_path)))
    assert limits.notice is not None and "endings of size" in limits.notice
    assert (of(limits, OWN["size"]), of(limits, OWN["position"])) == (6, 19)


def test_a_floor_that_no_step_reaches_is_said(saved: Path) -> None:
    limits = open_limits(scenario(saved, metric="psnr", floor=90), identity())
    assert limits.notice is not None and "no step has psnr 90" in limits.notice
    assert (of(limits, OWN["size"]), of(limits, CORE)) == (1, 20)


def test_a_model_without_a_table_falls_back(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text("{}")
    bare = load("laptop", [f"model.path={tmp_path}", "model.split_step=4"])
    limits = open_limits(bare)
    assert limits.notice is not None and "has no table of reuse" in limits.notice
    assert (of(limits, OWN["size"]), of(limits, CORE), of(limits, CORE, variation_seed=3)) == (
        4,
        20,
        4,
    )


def test_free_text_has_limits_by_its_own_class(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text("{}")
    of_sizes = [c for c in table().cells if c.kind == "size" and c.metric == "psnr"]
    words = tuple(dataclasses.replace(cell, kind="words") for cell in of_sizes)
    save(table(model=str(tmp_path), cells=words), tmp_path)
    limits = open_limits(
        load("laptop", [PACED, f"model.path={tmp_path}", "reuse.metric=psnr", "reuse.floor=40"])
    )
    assert (of(limits, OWN["words"]), of(limits, OWN["size"]), of(limits, CORE)) == (9, 9, 20)


@pytest.mark.parametrize(
    ("settings", "changes", "reason"),
    [
        ({}, {"revision": "r2"}, "another model's: it was measured on midstep-emoji, revision r1"),
        ({"metric": "ssim"}, {}, "reuse.metric: ssim is not in"),
    ],
)
def test_a_foreign_table_is_refused(
    settings: Mapping[str, Any], changes: Mapping[str, Any], reason: str, saved: Path
) -> None:
    with pytest.raises(ScenarioError, match=reason) as error:
        open_limits(scenario(saved, **settings), identity(**changes))
    assert "\n" not in str(error.value)


def test_a_table_of_another_name_is_refused_where_outputs_are_paced(tmp_path: Path) -> None:
    path = save(table(model="other/model"), tmp_path)
    with pytest.raises(ScenarioError, match="measured on other/model"):
        open_limits(scenario(path))


def test_a_table_of_another_revision_is_found_out_before_the_model_is_loaded(
    tmp_path: Path,
) -> None:
    """Else devices alone would know, and a run would not say why all limits are the split step."""
    (tmp_path / "model_index.json").write_text("{}")
    path = save(table(model=str(tmp_path), scheduler="DDIMScheduler"), tmp_path)
    drawn = load("laptop", [f"model.path={tmp_path}"])
    limits = open_limits(drawn)
    assert limits.notice is not None and "is of another revision" in limits.notice
    assert (limits.by_class, limits.fallback) == ({}, 6)
    with pytest.raises(ScenarioError, match=r"is another model's: .*revision r1"):
        open_limits(load("laptop", [f"model.path={tmp_path}", f"reuse.table={path}"]))
    assert open_limits(load("laptop", [f"model.path={tmp_path}", PACED])).by_class
    # a copy of the same files is the same model, whatever its folder is called
    save(table(revision=revision(str(tmp_path))), tmp_path)
    assert open_limits(drawn).by_class


def test_a_table_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"no file .*none\.json"):
        open_limits(scenario(tmp_path / "none.json"))


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (["reuse.floor=30"], "floor 30 of what"),
        (["reuse.metric=fidelity", "reuse.floor=0.5"], "right or wrong"),
        (["reuse.metric=ssim", "reuse.floor=30"], "ssim is 1 at most"),
        (["reuse.share=1"], "share"),
    ],
)
def test_a_floor_that_cannot_be_is_refused(settings: list[str], reason: str) -> None:
    with pytest.raises(ScenarioError, match=reason):
        load("laptop", settings)


def test_a_table_lies_beside_the_scenarios_file(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("reuse: {table: tables/reuse.json}")
    assert load(str(tmp_path / "mine.yaml")).reuse.table == str(tmp_path / "tables" / "reuse.json")


def test_limits_load_no_tensors() -> None:
    """Paced hosts read limits; they must not wait for torch."""
    program = (
        "import sys; from midstep.reuse.limits import open_limits; "
        "from midstep.scenario_file import load; open_limits(load('crowd')); "
        "sys.exit(', '.join({'torch', 'diffusers', 'skimage', 'scipy'} & {*sys.modules}))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.stderr.strip() == ""


def test_under_the_papers_tolerance_nothing_but_its_draw_limits_reuse() -> None:
    limits = open_limits(load("paper"))
    assert {of(limits, prompt) for prompt in OWN.values()} == {20}
    assert of(limits, OWN["size"], variation_seed=3) == 20 and limits.notice is None
