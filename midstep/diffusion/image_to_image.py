"""The stock image-to-image pipeline of a family: it encodes a start picture and adds its noise, and
the cut pipeline goes on from there."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from midstep.errors import PromptError
from midstep.wire.start import Start

__all__ = ["open_image_to_image", "stock_strength"]

CLASSES = {
    "StableDiffusionPipeline": "StableDiffusionImg2ImgPipeline",
    "StableDiffusionXLPipeline": "StableDiffusionXLImg2ImgPipeline",
    "StableDiffusion3Pipeline": "StableDiffusion3Img2ImgPipeline",
    "FluxPipeline": "FluxImg2ImgPipeline",
}
ROUNDS_DOWN = ("StableDiffusionPipeline", "StableDiffusionXLPipeline")
HAIR = 1e-6  # of a step: a product with a strength may miss a whole number by the last bit


def open_image_to_image(pipe: Any) -> Any:
    """The image-to-image pipeline of a text-to-image pipeline's own parts. Raises PromptError where
    none is known for its family."""
    name = CLASSES.get(type(pipe).__name__)
    if name is None:
        raise PromptError(f"{type(pipe).__name__} takes no start picture; {', '.join(CLASSES)} do")
    cls = getattr(importlib.import_module("diffusers"), name)
    options = inspect.signature(cls.__init__).parameters
    settings = {key: value for key, value in pipe.config.items() if key in options}
    parts = {key: value for key, value in pipe.components.items() if key in options}
    if "requires_safety_checker" in options:
        settings["requires_safety_checker"] = False
    stock = cls(**{**settings, **parts})
    stock.set_progress_bar_config(disable=True)
    return stock


def stock_strength(pipe: Any, start: Start, steps: int) -> float:
    """The strength that leaves as many steps in the family's own pipeline as `Start.first_step`
    says: some families round the number of steps up, and of those that round down none may lose
    one to the last bit."""
    left = steps - start.first_step(steps)
    hair = HAIR if type(pipe).__name__ in ROUNDS_DOWN else -HAIR
    return min(1.0, (left + hair) / steps)
