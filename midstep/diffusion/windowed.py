"""Any diffusers text-to-image pipeline, unmodified, cut by a window on its scheduler; one request
at a time."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from midstep.diffusion.denoise import Picture, Trajectory, Variation, check_steps
from midstep.diffusion.frame_numbers import is_lossy
from midstep.diffusion.image_to_image import open_image_to_image, stock_strength
from midstep.diffusion.payload import Payload, pack, unpack
from midstep.diffusion.pipelines import settle
from midstep.diffusion.profile import StepProfile
from midstep.diffusion.solver import Reached, Window
from midstep.diffusion.text_embedding import embed_text
from midstep.diffusion.variation import vary
from midstep.errors import PromptError
from midstep.wire.frame import Frame
from midstep.wire.identity import PipelineIdentity
from midstep.wire.start import Start

__all__ = ["WindowedDenoiser"]


@dataclass
class _Body:
    generator: torch.Generator
    latent: torch.Tensor | None = None  # the family's own shape; None before the first step
    solver: dict[str, Any] = field(default_factory=dict)
    rng: torch.Tensor | None = None
    start: Start | None = None


class WindowedDenoiser:
    """See midstep.diffusion.denoise.Denoiser. `advance` runs a trajectory to its `until` in one
    call of the pipeline."""

    batched = False

    def __init__(self, pipe: Any, identity: PipelineIdentity) -> None:
        self.pipe = pipe
        self.identity = identity
        self.frame_numbers = "float32"
        self.steps = identity.steps
        self._scheduler = pipe.scheduler
        self._extra: dict[str, Any] = {}
        self._image_to_image: Any = None  # opened for the first start picture
        options = inspect.signature(pipe.__call__).parameters
        self._takes_negative = "negative_prompt" in options
        if "clean_caption" in options:
            self._extra["clean_caption"] = False  # needs libraries that we do not install
        if "use_resolution_binning" in options and pipe.transformer.config.sample_size not in (
            32,
            64,
            128,
            256,
        ):
            # PixArt has bins for these sample sizes only
            self._extra["use_resolution_binning"] = False

    @property
    def profile(self) -> StepProfile | None:
        return None

    @property
    def lossy(self) -> bool:
        return is_lossy(self.frame_numbers, self.identity.dtype)

    def begin(
        self,
        prompt: str,
        seed: int,
        until: int,
        *,
        negative: str = "",
        start: Start | None = None,
    ) -> Trajectory:
        first = 0 if start is None else start.first_step(self.steps)
        check_steps(first, self.steps, until)
        self._check(negative)
        if start is not None and self._image_to_image is None:
            self._image_to_image = open_image_to_image(self.pipe)
        body = _Body(torch.Generator("cpu").manual_seed(seed), start=start)
        return Trajectory(
            prompt=prompt,
            step=first,
            steps=self.steps,
            until=until,
            body=body,
            negative=negative,
        )

    def resume(
        self,
        frame: Frame,
        prompt: str,
        until: int,
        variation: Variation | None,
        *,
        negative: str = "",
    ) -> Trajectory:
        check_steps(frame.step, self.steps, until)
        self._check(negative)
        payload = unpack(frame.payload)
        generator = torch.Generator("cpu")
        latent = payload.latent
        if variation is not None:
            generator.manual_seed(variation.seed)
            latent = vary(latent, variation, generator)
        elif payload.rng is not None:
            generator.set_state(payload.rng)
        latent = latent.to(self.pipe.device, self.pipe.dtype)
        return Trajectory(
            prompt=prompt,
            step=frame.step,
            steps=self.steps,
            until=until,
            body=_Body(generator, latent, payload.solver, payload.rng),
            negative=negative,
        )

    def advance(self, batch: Sequence[Trajectory]) -> None:
        for trajectory in batch:
            body: _Body = trajectory.body
            stop = trajectory.until  # it may be moved while the window runs
            if stop <= trajectory.step:
                continue
            window, scheduler, latent = self._run(trajectory, stop, "latent")
            body.latent = latent
            body.solver = window.carried(scheduler)
            body.rng = body.rng if window.rng is None else window.rng
            trajectory.step = stop
            if trajectory.history is not None:
                trajectory.history[stop] = Payload(latent, body.solver, body.rng)
        settle(self.pipe.device)

    def freeze(self, trajectory: Trajectory, prompt_key: str, step: int | None = None) -> Frame:
        body: _Body = trajectory.body
        if step is None:
            step = trajectory.step
            output = Payload(self._latent(trajectory), body.solver, body.rng)
        else:
            assert trajectory.history is not None
            output = trajectory.history[step]
        blob = pack(output, self.frame_numbers if self.lossy else None)
        return Frame.seal(self.identity.digest(), prompt_key, step, self.steps, blob)

    def decode(self, trajectory: Trajectory) -> Picture:
        self._latent(trajectory)
        # an empty window: the pipeline only decodes
        image = self._run(trajectory, trajectory.step, "pil")[2]
        return np.asarray(image)

    def truncated(self, prompt: str) -> bool:
        tokenizers = [
            t
            for name in ("tokenizer", "tokenizer_2")
            if (t := getattr(self.pipe, name, None)) is not None
        ]
        return any(
            len(t(prompt, truncation=False).input_ids) > int(t.model_max_length) for t in tokenizers
        )

    def embed(self, prompt: str) -> NDArray[np.float32] | None:
        return embed_text(self.pipe, prompt)

    def _check(self, negative: str) -> None:
        if negative and not self._takes_negative:
            raise PromptError(f"{type(self.pipe).__name__} takes no negative prompt")

    def _run(self, trajectory: Trajectory, stop: int, output: str) -> tuple[Window, Any, Any]:
        body: _Body = trajectory.body
        sets_out = body.start is not None and body.latent is None
        window = Window(
            self.steps, trajectory.step, stop, body.solver, self.pipe.device, open=sets_out
        )
        pipe = self._image_to_image if sets_out else self.pipe
        scheduler = pipe.scheduler = window.of(self._scheduler)
        options: dict[str, Any] = {
            "height": self.identity.height,
            "width": self.identity.width,
            "latents": body.latent,
            **self._extra,
        }
        if sets_out:
            assert body.start is not None
            options = self._setting_out(body.start)
        try:
            images = pipe(
                prompt=trajectory.prompt,
                num_inference_steps=self.steps,
                guidance_scale=self.identity.guidance,
                generator=body.generator,
                output_type=output,
                **({"negative_prompt": trajectory.negative} if trajectory.negative else {}),
                **options,
            ).images
        except Reached as reached:
            return window, scheduler, reached.latent
        finally:
            pipe.scheduler = self._scheduler
        return window, scheduler, images if output == "latent" else images[0]

    def _setting_out(self, start: Start) -> dict[str, Any]:
        """The arguments of the image-to-image pipeline for a start picture."""
        known = inspect.signature(self._image_to_image.__call__).parameters
        size = {"height": self.identity.height, "width": self.identity.width}
        return {
            "image": Image.fromarray(start.pixels),
            "strength": stock_strength(self.pipe, start, self.steps),
            **{name: pixels for name, pixels in size.items() if name in known},
        }

    def _latent(self, trajectory: Trajectory) -> torch.Tensor:
        latent: torch.Tensor | None = trajectory.body.latent
        if latent is None:
            raise ValueError("nothing was denoised yet: there is no latent to freeze or decode")
        return latent
