"""Embeddings: unit vectors, near for like prompts, different for unlike ones."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from midstep.diffusion.denoise import Denoiser
from midstep.diffusion.factory import open_denoiser
from midstep.errors import ScenarioError
from midstep.reuse.embedding import (
    Embedder,
    EncoderEmbedder,
    Vector,
    WordsEmbedder,
    fingerprint,
    open_embedder,
)
from midstep.scenario import Scenario
from midstep.scenario_file import load, parse
from tests import paced, tiny

WORDS = WordsEmbedder()
PAIRS = (
    ("a panda on a beach", "a panda in the snow"),
    ("a red car", "a blue car"),
    ("two dogs and a cat", "three dogs and a cat"),
    ("a dog on the left", "a dog on the right"),
    ("a room with a chair", "a room with no chair"),
    ("a dog on a cat", "a cat on a dog"),
    ("enable", "disable"),
)


def cosine(embedder: Embedder, one: str, other: str) -> float:
    return float(embedder.embed(one) @ embedder.embed(other))


@pytest.fixture(scope="module")
def shipped() -> Denoiser:
    return open_denoiser(load("laptop"))


@pytest.mark.parametrize(
    "prompt", ["a", "A panda, on a beach!", "!?", "", "熊猫在海滩上", "a " * 900]
)
def test_words_are_unit_vectors_whatever_the_prompt(prompt: str) -> None:
    vector = WORDS.embed(prompt)
    assert vector.shape == (WORDS.dimensions,) and vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)


def test_words_are_the_same_on_every_machine() -> None:
    vector = WORDS.embed("a panda on a beach")
    assert tuple(np.flatnonzero(vector).tolist()) == PLACES
    assert tuple(np.sign(vector[list(PLACES)]).tolist()) == SIGNS


PLACES = (23, 31, 66, 157, 180, 197, 231, 244)
SIGNS = (1.0, -1.0, 1.0, -1.0, 1.0, -1.0, -1.0, 1.0)


def test_hashed_words_tell_prompts_apart_and_know_neighbours() -> None:
    for one, other in PAIRS:
        assert cosine(WORDS, one, other) < 0.95
    near = cosine(WORDS, "a panda on a beach", "a panda on a sunny beach")
    far = cosine(WORDS, "a panda on a beach", "an owl in a room")
    assert near > 0.7 > 0.3 > far
    assert cosine(WORDS, "a Panda, on a beach", "a panda on a beach") == pytest.approx(1)


def test_the_shipped_encoder_tells_its_own_prompts_apart(shipped: Denoiser) -> None:
    embedder = open_embedder(load("laptop"), shipped)
    prompts = [
        f"{noun} {place}"
        for noun in ("a panda", "a fox", "an owl", "a bunch of grapes")
        for place in ("on a beach", "in the snow", "on a red background")
    ]
    vectors = np.stack([embedder.embed(prompt) for prompt in prompts])
    cosines = (vectors @ vectors.T)[~np.eye(len(prompts), dtype=bool)]
    # what all prompts have in common is taken out: with it the least of these is .97
    assert np.median(cosines) < 0.5
    assert cosines.max() < 0.99
    panda = "a panda on a beach"
    near = cosine(embedder, panda, "a panda on the left, on a beach")
    assert near > 0.5 > 0.3 > cosine(embedder, panda, "a bunch of grapes on a red background")


@pytest.mark.parametrize("family", ["sd", "pixart", "sd3"])
def test_every_family_embeds_the_prompts_own_tokens(family: str) -> None:
    path = tiny.folder(family)
    scenario = parse({"model": {"path": str(path), "steps": 4, "split_step": 2}})
    denoiser = open_denoiser(scenario)
    embedder = EncoderEmbedder(denoiser)
    assert embedder.dimensions == tiny.WIDTH
    vector = embedder.embed("a panda")
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)
    for other in ("a pandb", "b", "a panda on a beach"):
        assert cosine(embedder, "a panda", other) < 0.9999
    # padding counts for nothing: a mean over all 77 places hardly moves with the prompt
    assert np.array_equal(embedder.embed("a panda"), vector)


def scenario_with(embedding: str) -> Scenario:
    return parse(paced.tree(reuse={"embedding": embedding}))


def test_auto_is_the_encoder_where_there_is_one(shipped: Denoiser) -> None:
    assert open_embedder(scenario_with("auto"), paced.denoiser()).name == "words"
    assert open_embedder(scenario_with("auto"), shipped).name == "encoder"
    assert open_embedder(scenario_with("words"), shipped).name == "words"


def test_an_encoder_that_is_not_there_is_one_line() -> None:
    with pytest.raises(ScenarioError, match=r"reuse\.embedding: encoder: .* no text encoder") as e:
        open_embedder(scenario_with("encoder"), paced.denoiser())
    assert "\n" not in str(e.value)


def test_wordllama_takes_nothing_from_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wordllama")
    monkeypatch.setenv("HOME", "/nowhere")
    monkeypatch.setattr("requests.get", None)
    embedder = open_embedder(scenario_with("wordllama"), paced.denoiser())
    assert (embedder.name, embedder.dimensions) == ("wordllama", 256)
    for prompt in ("a panda on a beach", "!?"):
        assert np.linalg.norm(embedder.embed(prompt)) == pytest.approx(1, abs=1e-6)
    near = cosine(embedder, "a panda on a beach", "a panda on a sunny beach")
    assert near > 0.8 > 0.3 > cosine(embedder, "a panda on a beach", "an owl in a room")


def test_a_package_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wordllama", None)
    with pytest.raises(ScenarioError, match=r"pip install 'midstep\[similar\]'") as error:
        open_embedder(scenario_with("wordllama"), paced.denoiser())
    assert "\n" not in str(error.value)


def test_a_fingerprint_tells_embedders_of_one_name_and_length_apart() -> None:
    class Other(WordsEmbedder):
        def embed(self, prompt: str) -> Vector:
            return np.roll(super().embed(prompt), 1)

    assert fingerprint(WordsEmbedder()) == fingerprint(WordsEmbedder())
    assert fingerprint(Other()) != fingerprint(WordsEmbedder())
