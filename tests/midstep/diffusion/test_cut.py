"""A pipeline cut at step m and finished in another process gives the uncut stock pipeline's
picture, bit for bit."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from midstep.diffusion.payload import Payload, pack, unpack
from midstep.diffusion.windowed import WindowedDenoiser
from midstep.errors import FrameError, PromptError
from midstep.wire.frame import Frame
from tests import tiny
from tests.midstep.diffusion.cuts import GUIDANCE, KINDS, PROMPT, STEPS, Cut, finish, opened, run

SEED = 11
CUTS = [Cut(*kind, step) for kind in KINDS for step in (1, 6, STEPS - 1)]
OTHER = [Cut(f, s, k, 6, "a pig in the snow") for f, s, k in KINDS]
VARIED = [Cut(f, s, k, 6, PROMPT, 5) for f, s, k in KINDS]
NEGATIVE = "blurry text, snow"
NEGATED = [Cut(f, s, k, 6, negative=NEGATIVE) for f, s, k in KINDS if f != "flux"]
FINISHED = CUTS + OTHER + VARIED + NEGATED
_stock: dict[tuple[str, str, str], np.ndarray[Any, Any]] = {}


def stock(family: str, scheduler: str, negative: str = "") -> np.ndarray[Any, Any]:
    """The unmodified pipeline's picture."""
    key = family, scheduler, negative
    if key not in _stock:
        pipe = opened(family, scheduler, "windowed").pipe  # type: ignore[attr-defined]
        extra: dict[str, Any] = (
            {"clean_caption": False, "use_resolution_binning": False} if family == "pixart" else {}
        )
        if negative:
            extra["negative_prompt"] = negative
        image = pipe(
            PROMPT,
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            height=32,
            width=32,
            generator=torch.Generator().manual_seed(SEED),
            **extra,
        ).images[0]
        _stock[key] = np.asarray(image)
    return _stock[key]


def first_part(cut: Cut) -> Frame:
    d = opened(cut.family, cut.scheduler, cut.kind)
    trajectory = d.begin(PROMPT, SEED, cut.step, negative=cut.negative)
    return d.freeze(run(d, trajectory), "key")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray[Any, Any]]:
    """Every cut's picture, made by a second process from the frames' bytes."""
    folder = tmp_path_factory.mktemp("cuts")
    listed = []
    for cut in FINISHED:
        frame = first_part(cut)
        (folder / f"{cut.name}.frame").write_bytes(frame.payload)
        fields = {k: v for k, v in dataclasses.asdict(frame).items() if k != "payload"}
        listed.append(
            {"model": str(tiny.folder(cut.family)), "cut": dataclasses.asdict(cut), **fields}
        )
    (folder / "cuts.json").write_text(json.dumps(listed))
    subprocess.run(
        [sys.executable, "-m", "tests.midstep.diffusion.cuts", str(folder)],
        check=True,
        cwd=Path(__file__).parents[3],
    )
    return {cut.name: np.load(folder / f"{cut.name}.npy") for cut in FINISHED}


@pytest.mark.parametrize("cut", CUTS, ids=lambda cut: cut.name)
def test_a_cut_picture_is_the_stock_pipelines(finished: dict[str, Any], cut: Cut) -> None:
    assert np.array_equal(finished[cut.name], stock(cut.family, cut.scheduler))


@pytest.mark.parametrize("cut", NEGATED, ids=lambda cut: cut.name)
def test_a_negative_prompt_is_the_stock_pipelines(finished: dict[str, Any], cut: Cut) -> None:
    assert np.array_equal(finished[cut.name], stock(cut.family, cut.scheduler, NEGATIVE))
    assert not np.array_equal(finished[cut.name], stock(cut.family, cut.scheduler))


def test_a_pipeline_without_negative_prompts_refuses_them() -> None:
    class Plain:
        scheduler = None

        def __call__(self, prompt: str) -> None: ...

    plain = WindowedDenoiser(Plain(), opened("sd", "ddim", "windowed").identity)
    with pytest.raises(PromptError, match="Plain takes no negative prompt"):
        plain.begin(PROMPT, SEED, 1, negative=NEGATIVE)
    plain.begin(PROMPT, SEED, 1)


@pytest.mark.parametrize("cut", OTHER, ids=lambda cut: cut.name)
def test_the_rest_can_follow_another_prompt(finished: dict[str, Any], cut: Cut) -> None:
    picture = finished[cut.name]
    assert not np.array_equal(picture, stock(cut.family, cut.scheduler))
    assert np.array_equal(
        picture, finish(opened(cut.family, cut.scheduler, cut.kind), first_part(cut), cut)
    )


@pytest.mark.parametrize("cut", VARIED, ids=lambda cut: cut.name)
def test_a_variation_seed_gives_another_picture_and_the_same_one_again(
    finished: dict[str, Any], cut: Cut
) -> None:
    d = opened(cut.family, cut.scheduler, cut.kind)
    frame = first_part(cut)
    assert not np.array_equal(finished[cut.name], stock(cut.family, cut.scheduler))
    assert np.array_equal(finished[cut.name], finish(d, frame, cut))
    assert not np.array_equal(
        finished[cut.name], finish(d, frame, dataclasses.replace(cut, variation=6))
    )


@pytest.mark.parametrize("kind", ["batched", "windowed"])
@pytest.mark.parametrize(("scheduler", "lost"), [("dpm++2m", "solver"), ("euler-a", "rng")])
def test_without_the_carried_state_the_picture_differs(
    kind: str, scheduler: str, lost: str
) -> None:
    """That is what the state travels for; if this passes with the state dropped, the tests above
    prove nothing."""
    cut = Cut("sd", scheduler, kind, 6)
    d = opened("sd", scheduler, kind)
    frame = first_part(cut)
    payload = unpack(frame.payload)
    if lost == "solver":
        position = {k: v for k, v in payload.solver.items() if k == "_step_index"}
        payload = Payload(payload.latent, position, payload.rng)
    else:
        payload = Payload(
            payload.latent, payload.solver, torch.Generator().manual_seed(999).get_state()
        )
    crippled = dataclasses.replace(frame, payload=pack(payload))
    assert not np.array_equal(finish(d, crippled, cut), stock("sd", scheduler))


def test_only_stochastic_solvers_carry_a_random_state() -> None:
    assert unpack(first_part(Cut("sd", "ddim", "batched", 6)).payload).rng is None
    assert unpack(first_part(Cut("sd", "euler-a", "batched", 6)).payload).rng is not None


@pytest.mark.parametrize("family", ["sd", "sdxl"])
@pytest.mark.parametrize("scheduler", ["euler", "dpm++2m"])
def test_a_ragged_batch_agrees_with_requests_alone(family: str, scheduler: str) -> None:
    """Requests at different steps, in one call; within one grey level, because sums are grouped
    otherwise."""
    d = opened(family, scheduler, "batched")
    prompts = ["a panda", "a pig on a beach", "a red apple", "a fox in the snow"]
    alone = [d.decode(run(d, d.begin(p, i, STEPS))) for i, p in enumerate(prompts)]
    flying = []
    done = {}
    waiting = [d.begin(p, i, STEPS) for i, p in enumerate(prompts)]
    while len(done) < len(prompts):
        if waiting:
            flying.append(waiting.pop(0))  # one joins every tick: all at different steps
        d.advance(flying)
        for t in [t for t in flying if t.step == STEPS]:
            flying.remove(t)
            done[t.prompt] = d.decode(t)
    for prompt, picture in zip(prompts, alone, strict=True):
        assert np.abs(done[prompt].astype(int) - picture.astype(int)).max() <= 1, prompt


def test_a_frame_of_another_size_is_refused_before_it_runs() -> None:
    d = opened("sd", "ddim", "batched")
    frame = Frame.seal(
        d.identity.digest(), "key", 6, STEPS, pack(Payload(torch.zeros(1, 4, 64, 64)))
    )
    with pytest.raises(FrameError, match=r"\(1, 4, 64, 64\), this pipeline's is \(1, 4, 16, 16\)"):
        d.resume(frame, PROMPT, STEPS, None)


def test_a_long_prompt_is_flagged_and_cut_as_diffusers_cuts_it() -> None:
    d = opened("sd", "ddim", "batched")
    long = "a panda " * 100
    assert d.truncated(long) and not d.truncated(PROMPT)
    picture = d.decode(run(d, d.begin(long, SEED, STEPS)))
    pipe = d.pipe  # type: ignore[attr-defined]
    generator = torch.Generator().manual_seed(SEED)
    image = pipe(
        long,
        num_inference_steps=STEPS,
        guidance_scale=GUIDANCE,
        height=32,
        width=32,
        generator=generator,
    )
    assert np.array_equal(picture, np.asarray(image.images[0]))
