"""Step-level batching for SD 1.x and SDXL: one network call advances requests that are each at
their own step.

The arithmetic is the stock pipelines' own, in their order, so that at batch 1 the bits are the
same.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from midstep.diffusion.conditioning import Conditioner, Conditioning
from midstep.diffusion.decode import decode_latent
from midstep.diffusion.denoise import Picture, Trajectory, Variation, check_steps
from midstep.diffusion.first_latent import FirstLatent
from midstep.diffusion.frame_numbers import is_lossy
from midstep.diffusion.noise_prediction import NoisePredictor
from midstep.diffusion.payload import Payload, pack, unpack
from midstep.diffusion.pipelines import is_xl, settle
from midstep.diffusion.profile import StepProfile
from midstep.diffusion.solver import bound, changed, detached, restore, snapshot
from midstep.diffusion.text_embedding import embed_text
from midstep.diffusion.variation import vary
from midstep.wire.frame import Frame
from midstep.wire.identity import PipelineIdentity
from midstep.wire.start import Start

__all__ = ["BatchedDenoiser"]


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
        self.device = pipe.unet.device
        self.dtype = pipe.unet.dtype
        guided = identity.guidance > 1 and pipe.unet.config.time_cond_proj_dim is None
        self._conditioner = Conditioner(pipe, identity, guided=guided)
        self._first_latent = FirstLatent(pipe, identity)
        self._template = copy.deepcopy(pipe.scheduler)
        self._template.set_timesteps(identity.steps, device=self.device)
        if is_xl(pipe) and hasattr(self._template, "set_begin_index"):
            self._template.set_begin_index(0)
        # prepare_latents asks it for init_noise_sigma, which depends on the steps
        pipe.scheduler = self._template
        self._predictor = NoisePredictor(pipe, identity.guidance, guided=guided)

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
        conditioning = self._conditioner.encode(prompt, negative)
        body = self._body(torch.empty(0), conditioning, torch.Generator("cpu").manual_seed(seed))
        dtype = conditioning.embeds.dtype
        if start is None:
            body.latent = self._first_latent.noise(dtype, body.generator)
        else:
            body.index = bound(body.scheduler, first, self.steps)
            if hasattr(body.scheduler, "set_begin_index"):
                body.scheduler.set_begin_index(body.index)
            body.latent = self._first_latent.picture(
                start, body.scheduler, body.index, dtype, body.generator
            )
        body.rng_start = body.generator.get_state()
        return Trajectory(
            prompt=prompt,
            step=first,
            steps=self.steps,
            until=until,
            body=body,
            negative=negative,
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
        conditioning = self._conditioner.encode(prompt, negative)
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
        noise = self._predictor.predict(scaled, t, [body.conditioning for body in bodies])
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
        return decode_latent(self.pipe, trajectory.body.latent)

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


def _output(body: _Body) -> _StepOutput:
    """What `freeze` needs of a step; what of it must travel is found out only there."""
    return _StepOutput(
        body.latent, detached(body.scheduler, body.fresh), body.generator.get_state()
    )
