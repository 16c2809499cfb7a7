import json
import socket
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from midstep.clock import VirtualClock, WallClock
from midstep.diffusion import factory, pipelines
from midstep.diffusion.factory import open_denoiser, output_bytes
from midstep.diffusion.paced import PACED_BYTES, PacedDenoiser
from midstep.diffusion.profile import StepProfile
from midstep.errors import ModelError, ScenarioError
from midstep.scenario import Scenario
from midstep.scenario_file import load, parse
from tests import paced, tiny


@pytest.mark.parametrize("model", ["no-such-model", "./nowhere", "/nowhere/at/all"])
def test_a_missing_model_is_one_line_that_lists_what_ships(model: str) -> None:
    with pytest.raises(ModelError, match="midstep-emoji") as error:
        pipelines.locate(model)
    assert "\n" not in str(error.value)


def test_a_folder_that_is_no_pipeline_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no model_index\.json"):
        pipelines.locate(str(tmp_path))


def test_a_broken_pipeline_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text(
        json.dumps({"_class_name": "StableDiffusionPipeline", "unet": ["x", "y"]})
    )
    with pytest.raises(ModelError, match="cannot be loaded") as error:
        pipelines.load(str(tmp_path), "float32", "cpu")
    assert "\n" not in str(error.value)


def test_a_hub_that_cannot_be_reached_is_said_in_our_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import diffusers

    def offline(*_: object, **__: object) -> None:
        try:
            raise socket.gaierror(-2, "Name or service not known")
        except OSError as error:
            raise OSError("Cannot load model: pass 'local_files_only=False' as input.") from error

    monkeypatch.setattr(diffusers.DiffusionPipeline, "from_pretrained", offline)
    with pytest.raises(ModelError, match="some/model is not in this machine's cache, and the hub"):
        pipelines.load("some/model", "float32", "cpu")


def test_the_revision_follows_the_files(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    before = pipelines.revision(str(tmp_path))
    (tmp_path / "README.md").write_text("words about the model are not the model")
    assert pipelines.revision(str(tmp_path)) == before
    (tmp_path / "a.json").write_text("[]")
    assert pipelines.revision(str(tmp_path)) != before


def test_a_gpu_that_is_not_there_is_told() -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(ModelError, match="torch sees no GPU"):
        pipelines.pick_device("cuda")
    assert pipelines.pick_device("auto") == "cpu"


@pytest.mark.gpu
def test_the_default_model_runs_on_a_gpu() -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no GPU here: the GPU path is not tested on this machine")
    denoiser = open_denoiser(load(None, ["model.device=cuda"]))
    trajectory = denoiser.begin("a panda on a beach", 1, 2)
    denoiser.advance([trajectory])
    assert trajectory.body.latent.device.type == "cuda"


def test_a_flow_model_refuses_a_diffusion_solver() -> None:
    model = {"path": str(tiny.folder("sd3")), "scheduler": "ddim", "profile": None}
    with pytest.raises(ModelError, match="ddim does not fit StableDiffusion3Pipeline"):
        open_denoiser(parse(paced.tree(model=model, modes={})))


def test_what_only_paces_loads_no_torch() -> None:
    import subprocess
    import sys

    code = (
        "import sys; import user_agent.host, midstep.diffusion.factory, midstep.diffusion.paced, "
        "orchestrator.cli\n"
        "orchestrator.cli.main(['policies'])\n"
        "print([m for m in ('torch', 'diffusers', 'ray') if m in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert out.strip().endswith("[]")


def test_a_symlinked_component_is_of_the_revision_and_of_the_weights(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_text(f"weights {name}")
    copies = []
    for name in ("a", "b"):
        copy = tmp_path / f"copy-{name}"
        copy.mkdir()
        (copy / "model_index.json").write_text("{}")
        (copy / "unet").symlink_to(tmp_path / name)
        copies.append(copy)
    assert pipelines.revision(str(copies[0])) != pipelines.revision(str(copies[1]))
    assert pipelines.weight_bytes(str(copies[0])) == len("weights a")
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "model_index.json").write_text("{}")
    (plain / "unet").mkdir()
    (plain / "unet" / "model.safetensors").write_text("weights a")
    assert pipelines.revision(str(plain)) == pipelines.revision(str(copies[0]))
    (plain / "unet" / "back").symlink_to(plain)  # would go round for ever
    assert pipelines.revision(str(plain)) == pipelines.revision(str(copies[0]))


def test_the_shipped_models_revision_is_what_it_was() -> None:
    assert (
        pipelines.revision(pipelines.locate("midstep-emoji")) == "b330d4da615039ed00f29b5274b0de9e"
    )


@pytest.mark.parametrize(
    ("family", "pixels", "factor"), [("sd", 33, 2), ("sd3", 33, 2), ("flux", 34, 4)]
)
def test_a_size_that_the_pipeline_does_not_draw_is_refused(
    family: str, pixels: int, factor: int
) -> None:
    model = {"path": str(tiny.folder(family)), "height": pixels, "width": 32, "profile": None}
    with pytest.raises(ScenarioError, match=rf"model\.height: {pixels} is no multiple of {factor}"):
        open_denoiser(parse(paced.tree(model=model, modes={})))


def test_a_profile_says_how_large_an_output_is(tmp_path: Path) -> None:
    profile = replace(paced.PROFILE, frame_bytes=65_536)
    path = tmp_path / "sd.json"
    profile.save(path)
    assert StepProfile.load(path) == profile and profile.scaled(2.0).frame_bytes == 65_536
    model = {"profile": str(path)}
    denoiser = open_denoiser(parse(paced.tree(model=model)))
    assert output_bytes(denoiser, 6) == 65_536
    assert output_bytes(open_denoiser(parse(paced.TREE)), 6) == PACED_BYTES
    path.write_text(path.read_text().replace("65536", "-1"))
    with pytest.raises(ScenarioError, match="frame_bytes must be 0"):
        StepProfile.load(path)


async def test_a_denoiser_is_opened_in_the_thread_that_computes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[str] = []

    def open_here(scenario: Scenario, threads: int) -> PacedDenoiser:
        opened.append(threading.current_thread().name)
        return paced.denoiser()

    monkeypatch.setattr(factory, "open_denoiser", open_here)
    _, thread = await factory.open_computing(parse(paced.TREE), 1, WallClock())
    assert thread is not None and opened[0].startswith("denoise-")
    thread.shutdown()
    _, nothing = await factory.open_computing(parse(paced.TREE), 1, VirtualClock())
    assert nothing is None and opened[1] == threading.current_thread().name
