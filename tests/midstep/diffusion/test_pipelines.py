import json
from pathlib import Path

import pytest

from midstep.diffusion import pipelines
from midstep.diffusion.factory import open_denoiser
from midstep.errors import ModelError
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
