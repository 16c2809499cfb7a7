"""Step-level batching for SD 1.x and SDXL: one network call advances requests that are each at
their own step.

The arithmetic is the stock pipelines' own, in their order, so that at batch 1 the bits are the
same.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from midstep.diffusion.denoise import Picture, Trajectory, Variation, check_steps
from midstep.diffusion.frame_numbers import is_lossy
from midstep.diffusion.image_to_image import open_image_to_image
from midstep.diffusion.payload import Payload, pack, unpack
from midstep.diffusion.pipelines import settle
from midstep.diffusion.profile import StepProfile
from midstep.diffusion.solver import bound, changed, detached, restore, snapshot
from midstep.diffusion.text_embedding import embed_text
from midstep.diffusion.variation import vary
from midstep.wire.frame import Frame
from midstep.wire.identity import PipelineIdentity
from midstep.wire.start import Start

__all__ = ["BatchedDenoiser"]

CONDITIONING_BYTES = 64 << 20  # of encoded prompts that are kept


@dataclass(frozen=True)
class Conditioning:
    """Encoded text. `embeds` and `pooled` hold [negative, positive] where there is guidance, else
    [positive]."""

    embeds: torch.Tensor
    pooled: torch.Tensor | None
    time_ids: torch.Tensor | None

    @property
    def nbytes(self) -> int:
        """Bytes of its tensors."""
        return sum(
            t.numel() * t.element_size()
            for t in (self.embeds, self.pooled, self.time_ids)
            if t is not None
        )


@dataclass
class _Body:
    latent: torch.Tensor  # [1, channels, h, w]
    conditioning: Conditioning
    scheduler: Any
    fresh: dict[str, Any]
    generator: torch.Generator
    rng_start: torch.Tensor | None  # None: it came with a frame, and goes on with the next
    index: int  # entry of scheduler.timesteps that comes next


class _StepOutput(NamedTuple):
    """A step's output: the latent by reference, the scheduler's attributes as they were (a solver
    may write into its own tensors, PNDM does), the random state then."""

    latent: torch.Tensor
    attributes: dict[str, Any]
    rng: torch.Tensor


class BatchedDenoiser:
    """See midstep.diffusion.denoise.Denoiser. `pipe` is a StableDiffusionPipeline or
    StableDiffusionXLPipeline."""

    batched = True

    def __init__(self, pipe: Any, identity: PipelineIdentity) -> None:
        self.pipe = pipe
        self.identity = identity
        self.frame_numbers = "float32"
        self.steps = identity.steps
        self.guidance = identity.guidance
        self.device = pipe.unet.device
        self.dtype = pipe.unet.dtype
        self.xl = "StableDiffusionXL" in type(pipe).__name__
        self.guided = identity.guidance > 1 and pipe.unet.config.time_cond_proj_dim is None
        self._conditionings: OrderedDict[tuple[str, str], Conditioning] = OrderedDict()
        self._image_to_image: Any = None  # opened for the first start picture
        self._template = copy.deepcopy(pipe.scheduler)
        self._template.set_timesteps(identity.steps, device=self.device)
        if self.xl and hasattr(self._template, "set_begin_index"):
            self._template.set_begin_index(0)
        # prepare_latents asks it for init_noise_sigma, which depends on the steps
        pipe.scheduler = self._template
        timestep_cond = pipe.unet.config.time_cond_proj_dim
        self._timestep_cond = None
        if timestep_cond is not None:
            scale = torch.tensor(self.guidance - 1).repeat(1)
            self._timestep_cond = pipe.get_guidance_scale_embedding(
                scale, embedding_dim=timestep_cond
            ).to(device=self.device, dtype=self.dtype)

    @property
    def profile(self) -> StepProfile | None:
        return None

    @property
    def lossy(self) -> bool:
        return is_lossy(self.frame_numbers, self.identity.dtype)

    @torch.no_grad()
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
        conditioning = self._encode(prompt, negative)
        body = self._body(torch.empty(0), conditioning, torch.Generator("cpu").manual_seed(seed))
        if start is None:
            size = self.identity.height, self.identity.width
            body.latent = self.pipe.prepare_latents(
                1,
                self.pipe.unet.config.in_channels,
                *size,
                conditioning.embeds.dtype,
                self.device,
                body.generator,
            )
        else:
            self._set_out(body, start, first)
        body.rng_start = body.generator.get_state()
        return Trajectory(
            prompt=prompt,
            step=first,
            steps=self.steps,
            until=until,
            body=body,
            negative=negative,
        )

    def _set_out(self, body: _Body, start: Start, first: int) -> None:
        """Let a body begin from a picture under its noise, at step `first`, as the family's
        image-to-image pipeline does it."""
        if self._image_to_image is None:
            self._image_to_image = open_image_to_image(self.pipe)
        stock = self._image_to_image
        body.index = bound(body.scheduler, first, self.steps)
        if hasattr(body.scheduler, "set_begin_index"):
            body.scheduler.set_begin_index(body.index)
        stock.scheduler = body.scheduler
        body.latent = stock.prepare_latents(
            stock.image_processor.preprocess(Image.fromarray(start.pixels)),
            body.scheduler.timesteps[body.index : body.index + 1],
            1,
            1,
            body.conditioning.embeds.dtype,
            self.device,
            body.generator,
        )

    @torch.no_grad()
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
        factor = self.pipe.vae_scale_factor
        shape = (
            1,
            self.pipe.unet.config.in_channels,
            self.identity.height // factor,
            self.identity.width // factor,
        )
        payload = unpack(frame.payload, shape)
        generator = torch.Generator("cpu")
        latent = payload.latent
        if variation is not None:
            generator.manual_seed(variation.seed)
            latent = vary(latent, variation, generator)
        elif payload.rng is not None:
            generator.set_state(payload.rng)
        conditioning = self._encode(prompt, negative)
        body = self._body(latent.to(self.device, self.dtype), conditioning, generator)
        if variation is None and payload.rng is not None:
            body.rng_start = None
        restore(body.scheduler, payload.solver, self.device)
        body.index = bound(body.scheduler, frame.step, self.steps)
        return Trajectory(
            prompt=prompt,
            step=frame.step,
            steps=self.steps,
            until=until,
            body=body,
            negative=negative,
        )

    @torch.no_grad()
    def advance(self, batch: Sequence[Trajectory]) -> None:
        bodies: list[_Body] = [trajectory.body for trajectory in batch]
        times = [body.scheduler.timesteps[body.index] for body in bodies]
        scaled = torch.cat(
            [b.scheduler.scale_model_input(b.latent, t) for b, t in zip(bodies, times, strict=True)]
        )
        t = torch.stack([torch.as_tensor(x) for x in times]).to(self.device)
        conditionings = [body.conditioning for body in bodies]
        embeds = _sides([c.embeds for c in conditionings])
        added = None
        if self.xl:
            added = {
                "text_embeds": _sides([c.pooled for c in conditionings if c.pooled is not None]),
                "time_ids": _sides([c.time_ids for c in conditionings if c.time_ids is not None]),
            }
        noise = self.pipe.unet(
            torch.cat([scaled] * 2) if self.guided else scaled,
            torch.cat([t] * 2) if self.guided else t,
            encoder_hidden_states=embeds,
            timestep_cond=None
            if self._timestep_cond is None
            else self._timestep_cond.repeat(len(batch), 1),
            added_cond_kwargs=added,
            return_dict=False,
        )[0]
        if self.guided:
            negative, positive = noise.chunk(2)
            noise = negative + self.guidance * (positive - negative)
        for i, (trajectory, body, time) in enumerate(zip(batch, bodies, times, strict=True)):
            extra = self.pipe.prepare_extra_step_kwargs(body.generator, 0.0)
            body.latent = body.scheduler.step(
                noise[i : i + 1], time, body.latent, **extra, return_dict=False
            )[0]
            body.index += 1
            before = trajectory.step
            while trajectory.step < self.steps and body.index >= bound(
                body.scheduler, trajectory.step + 1, self.steps
            ):
                trajectory.step += 1
            # not within a step: second-order solvers take two calls for one
            if trajectory.history is not None and trajectory.step > before:
                trajectory.history[trajectory.step] = _output(body)
        settle(self.device)

    def freeze(self, trajectory: Trajectory, prompt_key: str, step: int | None = None) -> Frame:
        body: _Body = trajectory.body
        if step is None:
            step = trajectory.step
            output = _output(body)
        else:
            assert trajectory.history is not None
            output = trajectory.history[step]
        drawn = body.rng_start is None or not torch.equal(output.rng, body.rng_start)
        solver = changed(output.attributes, body.fresh)
        payload = Payload(output.latent, solver, output.rng if drawn else None)
        blob = pack(payload, self.frame_numbers if self.lossy else None)
        return Frame.seal(self.identity.digest(), prompt_key, step, self.steps, blob)

    @torch.no_grad()
    def decode(self, trajectory: Trajectory) -> Picture:
        vae = self.pipe.vae
        latent = trajectory.body.latent
        upcast = (
            self.xl and vae.dtype == torch.float16 and getattr(vae.config, "force_upcast", False)
        )
        if upcast:
            vae.to(torch.float32)
            latent = latent.float()
        mean = getattr(vae.config, "latents_mean", None)
        std = getattr(vae.config, "latents_std", None)
        if self.xl and mean is not None and std is not None:
            shift, scale = (
                torch.tensor(x).view(1, -1, 1, 1).to(latent.device, latent.dtype)
                for x in (mean, std)
            )
            latent = latent * scale / vae.config.scaling_factor + shift
        else:
            latent = latent / vae.config.scaling_factor
        try:
            image = vae.decode(latent, return_dict=False)[0]
        finally:
            if upcast:
                vae.to(torch.float16)
        picture: Picture = np.asarray(
            self.pipe.image_processor.postprocess(image, output_type="pil")[0]
        )
        return picture

    def truncated(self, prompt: str) -> bool:
        tokenizer = self.pipe.tokenizer
        return len(tokenizer(prompt, truncation=False).input_ids) > int(tokenizer.model_max_length)

    def embed(self, prompt: str) -> NDArray[np.float32] | None:
        return embed_text(self.pipe, prompt)

    def _body(
        self, latent: torch.Tensor, conditioning: Conditioning, generator: torch.Generator
    ) -> _Body:
        # per request: a shared one would mix their solver states
        scheduler = copy.deepcopy(self._template)
        return _Body(
            latent,
            conditioning,
            scheduler,
            snapshot(scheduler),
            generator,
            generator.get_state(),
            0,
        )

    def _encode(self, prompt: str, negative: str) -> Conditioning:
        words = prompt, negative
        cached = self._conditionings.get(words)
        if cached is not None:
            self._conditionings.move_to_end(words)
            return cached
        # for the pipelines, none and an empty one are not the same
        encode = self._encode_xl if self.xl else self._encode_sd
        fresh = self._conditionings[words] = encode(prompt, negative or None)
        most = max(1, CONDITIONING_BYTES // fresh.nbytes)  # all are of one size
        while len(self._conditionings) > most:
            self._conditionings.popitem(last=False)
        return fresh

    def _encode_sd(self, prompt: str, unwanted: str | None) -> Conditioning:
        positive, negative = self.pipe.encode_prompt(prompt, self.device, 1, self.guided, unwanted)
        return Conditioning(
            torch.cat([negative, positive]) if self.guided else positive, None, None
        )

    def _encode_xl(self, prompt: str, unwanted: str | None) -> Conditioning:
        positive, negative, pooled, negative_pooled = self.pipe.encode_prompt(
            prompt=prompt,
            device=self.device,
            num_images_per_prompt=1,
            do_classifier_free_guidance=self.guided,
            negative_prompt=unwanted,
        )
        second = self.pipe.text_encoder_2
        size = (self.identity.height, self.identity.width)
        ids = self.pipe._get_add_time_ids(
            size,
            (0, 0),
            size,
            dtype=positive.dtype,
            text_encoder_projection_dim=int(pooled.shape[-1])
            if second is None
            else second.config.projection_dim,
        ).to(self.device)
        if not self.guided:
            return Conditioning(positive, pooled, ids)
        return Conditioning(
            torch.cat([negative, positive]),
            torch.cat([negative_pooled, pooled]),
            torch.cat([ids, ids]),
        )


def _output(body: _Body) -> _StepOutput:
    """What `freeze` needs of a step; what of it must travel is found out only there."""
    return _StepOutput(
        body.latent, detached(body.scheduler, body.fresh), body.generator.get_state()
    )


def _sides(pairs: Sequence[torch.Tensor]) -> torch.Tensor:
    """[negative, positive] of each request -> all negatives, then all positives, as the pipelines
    order them."""
    stacked = torch.stack(list(pairs), dim=1)  # [sides, requests, ...]
    return stacked.flatten(0, 1)
