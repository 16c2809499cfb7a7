"""A finished request checked from outside: only requests.parquet, scenario.yaml and stock diffusers
are used."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import yaml
from PIL import Image


@functools.cache
def pipeline(model: str) -> Any:
    """The stock pipeline of a model folder, with the scheduler of its own index."""
    from diffusers import DiffusionPipeline

    pipe = DiffusionPipeline.from_pretrained(model, safety_checker=None)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def picture(model: str, settings: dict[str, Any], row: dict[str, Any]) -> np.ndarray[Any, Any]:
    """What a stock pipeline makes of the row: the edge prompt, exchanged for the user's after the
    edge's steps; where another prompt's output served, that prompt up to the step of that."""
    import torch

    pipe = pipeline(model)
    exchanged = {}  # after a step -> the prompt's embeddings
    donor = row.get("donor_prompt")
    changes = {} if donor is None else {row["reused_step"]: row["edge_prompt"]}
    changes[row["edge_steps"] + row["saved_steps"]] = row["prompt"]
    for step, prompt in changes.items():
        positive, negative = pipe.encode_prompt(prompt, pipe.device, 1, True)[:2]
        exchanged[step] = torch.cat([negative, positive])

    def exchange(pipe: Any, index: int, timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
        after = exchanged.get(index + 1) if index + 1 < settings["steps"] else None
        return values if after is None else {"prompt_embeds": after}

    image = pipe(
        row["edge_prompt"] if donor is None else donor,
        num_inference_steps=settings["steps"],
        guidance_scale=settings["guidance"],
        generator=torch.Generator().manual_seed(row["seed"]),
        callback_on_step_end=exchange,
        callback_on_step_end_tensor_inputs=["prompt_embeds"],
        **{name: settings[name] for name in ("height", "width") if settings.get(name)},
    ).images[0]
    return np.asarray(image)


def worst_difference(folder: Path, model: str, row: dict[str, Any]) -> int:
    """Grey levels between a run's picture and the stock pipeline's."""
    settings = yaml.safe_load((folder / "scenario.yaml").read_text())["model"]
    ours = np.asarray(Image.open(folder / "images" / f"{row['request_id']}.png")).astype(int)
    return int(np.abs(ours - picture(model, settings, row)).max())


def done(folder: Path) -> list[dict[str, Any]]:
    """The finished rows of a run."""
    return [
        row
        for row in pq.read_table(folder / "requests.parquet").to_pylist()
        if row["result"] == "done"
    ]
