"""The model and its step times: what is missing or damaged is found without loading it."""

import importlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from midstep.diffusion.pipelines import MODELS
from midstep.diffusion.profile import StepProfile
from orchestrator.doctor import machine, model
from tests.midstep.reuse.measured import table
from tests.orchestrator.doctor.patient import PACED, REAL, finding, planned_run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MODELS / "midstep-emoji", tmp_path / "model"))


def cut(folder: Path) -> None:
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


def index(folder: Path) -> None:
    shards = {
        "weight_map": {"a": "diffusion_pytorch_model.safetensors", "b": "model-00002.safetensors"}
    }
    (folder / "unet" / "diffusion_pytorch_model.safetensors.index.json").write_text(
        json.dumps(shards)
    )


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (cut, "unet/diffusion_pytorch_model.safetensors is damaged"),
        (index, "unet/model-00002.safetensors is missing"),
        (lambda folder: shutil.rmtree(folder / "vae"), "vae/ is missing"),
        (
            lambda folder: (folder / "text_encoder" / "model.safetensors").unlink(),
            "text_encoder/ has no weights",
        ),
        (lambda folder: (folder / "unet" / "config.json").unlink(), "unet/ has no configuration"),
        (
            lambda folder: (folder / "model_index.json").write_text("{"),
            "model_index.json cannot be read",
        ),
        (
            lambda folder: (folder / "vae" / "config.json").with_name("x.bin").touch(),
            "vae/x.bin is empty",
        ),
    ],
)
def test_a_damaged_model_is_found_without_loading_it(
    damage: Callable[[Path], None], text: str, folder: Path
) -> None:
    of = planned_run(REAL, f"model.path={folder}")
    assert finding(model.model, of, "model").state == "ok"
    damage(folder)
    model_finding = finding(model.model, of, "model")
    assert model_finding.state == "fail" and text in model_finding.text


def test_a_model_that_is_nowhere_fails_one_of_the_hub_is_fetched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model_finding = finding(model.model, planned_run(REAL, "model.path=./nowhere"), "model")
    assert (
        model_finding.state == "fail"
        and "./nowhere" in model_finding.text
        and "midstep-emoji" in model_finding.do
    )
    cached = SimpleNamespace(try_to_load_from_cache=lambda name, file: None)
    monkeypatch.setattr(importlib, "import_module", lambda name: cached)
    model_finding = finding(model.model, planned_run(REAL, "model.path=someone/something"), "model")
    assert model_finding.state == "warn" and "first run downloads it" in model_finding.text


def test_a_profile_that_is_none_fails_since_every_run_keeps_to_it(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text("{}")
    setting = f"model.profile={tmp_path / 'p.json'}"
    assert finding(model.profile, planned_run(PACED, setting), "profile").state == "fail"
    assert finding(model.profile, planned_run(REAL, setting), "profile").state == "fail"
    assert finding(model.profile, planned_run(PACED), "profile").state == "ok"


def test_the_table_of_reuse_is_looked_at_as_a_run_does(tmp_path: Path) -> None:
    path = tmp_path / "reuse.json"
    table().save(path)
    plan = planned_run(PACED, f"reuse.table={path}")
    assert finding(model.reuse, plan, "reuse").state == "ok"
    far = planned_run(PACED, f"reuse.table={path}", "reuse.share=0.999")
    assert finding(model.reuse, far, "reuse").state == "warn"
    path.write_text("{")
    damaged = planned_run(REAL, "cut.rule=limit", f"reuse.table={path}")
    assert "is no table of reuse" in finding(model.reuse, damaged, "reuse").text
    # what cannot be reckoned without it says so, and is no fault of the doctor's
    assert "reuse limits" in finding(machine.load, damaged, "load").text


def test_a_component_that_is_a_link_is_looked_at_like_any_other(
    folder: Path, tmp_path: Path
) -> None:
    of = planned_run(REAL, f"model.path={folder}")
    whole = finding(model.model, of, "model").text
    shutil.move(folder / "unet", tmp_path / "unet")
    (folder / "unet").symlink_to(tmp_path / "unet")
    assert finding(model.model, of, "model").text == whole
    cut(folder)
    assert (
        "unet/diffusion_pytorch_model.safetensors is damaged"
        in finding(model.model, of, "model").text
    )


@pytest.mark.parametrize(("step_s", "state"), [(0.013, "ok"), (0.030, "ok"), (0.806, "warn")])
def test_the_step_measured_here_stands_beside_the_profiles(step_s: float, state: str) -> None:
    plan = replace(planned_run(REAL), deep=True)
    plan.__dict__["measured"] = StepProfile({1: step_s}, spread=0.05)  # as if it had been measured
    found = finding(model.model, plan, "model computes")
    assert found.state == state
    assert f"{step_s * 1e3:.1f} ms a step measured, 23.7 in the profile" in found.text
