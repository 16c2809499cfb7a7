"""The shipped model: stock classes, small files, and pictures that are right."""

from __future__ import annotations

import json

import pytest
import torch
from diffusers import DiffusionPipeline, StableDiffusionPipeline

from midstep.reuse.render import Spec
from training.data import held_out_specs, pictures
from training.evaluate import generate, load, round_trip, score
from training.paths import MODEL, SIZE, catalogue

COUNT = 12


def some_specs() -> list[Spec]:
    """Held-out pairs on four backgrounds only, since the judge is slow for each background."""
    return [spec for spec in held_out_specs(catalogue()) if spec.edge.background % 5 == 0][:COUNT]


@pytest.fixture(scope="module")
def pipe() -> StableDiffusionPipeline:
    return load(MODEL)


def test_loads_as_a_stock_pipeline() -> None:
    pipe = DiffusionPipeline.from_pretrained(MODEL)
    assert type(pipe) is StableDiffusionPipeline
    stock = {name: type(part).__name__ for name, part in pipe.components.items() if part}
    assert stock == {
        "vae": "AutoencoderTiny",
        "text_encoder": "CLIPTextModel",
        "tokenizer": "CLIPTokenizer",
        "unet": "UNet2DConditionModel",
        "scheduler": "DDIMScheduler",
    }
    assert pipe.scheduler.config.timestep_spacing == "leading"


@pytest.mark.parametrize("dtype", [None, torch.float32, torch.bfloat16])
def test_all_parts_agree_on_the_precision(dtype: torch.dtype | None) -> None:
    pipe = DiffusionPipeline.from_pretrained(MODEL, **({"dtype": dtype} if dtype else {}))
    assert {pipe.unet.dtype, pipe.vae.dtype, pipe.text_encoder.dtype} == {dtype or torch.float32}


def test_folder_is_small_enough_to_ship() -> None:
    assert sum(path.stat().st_size for path in MODEL.rglob("*") if path.is_file()) <= 15_000_000


def test_held_out_prompts_come_out_right(pipe: StableDiffusionPipeline) -> None:
    words = catalogue()
    specs = some_specs()
    images = generate(pipe, [words.prompt(spec.edge) for spec in specs])
    assert images.shape == (COUNT, SIZE, SIZE, 3)
    shares = score(words, images, specs)
    assert shares["background"] == 1.0
    assert shares["object"] >= 10 / COUNT


def test_a_prompt_that_comes_late_still_places_the_object(pipe: StableDiffusionPipeline) -> None:
    words = catalogue()
    core = some_specs()
    own = [Spec(spec.edge, words.endings[1 + i]) for i, spec in enumerate(core)]
    images = generate(
        pipe, [words.prompt(s.edge) for s in core], [words.prompt(s.edge, s.ending) for s in own]
    )
    shares = score(words, images, own)
    assert shares["object"] >= 9 / COUNT
    assert shares["position"] >= 10 / COUNT


def test_autoencoder_is_faithful(pipe: StableDiffusionPipeline) -> None:
    words = catalogue()
    quality = round_trip(pipe, pictures(words, held_out_specs(words)[:COUNT], 40))
    assert quality["mean_db"] >= 28.0


def test_measured_quality_is_on_record() -> None:
    figures = json.loads((MODEL / "quality.json").read_text())
    assert figures["pairs"] == 200
    assert figures["core_prompt"]["object"] >= 0.95
    assert figures["core_prompt"]["background"] >= 0.98
