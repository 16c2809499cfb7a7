"""Embeddings of prompts: unit vectors whose cosine says how alike two prompts are."""

from __future__ import annotations

import hashlib
import importlib
import math
import re
from collections import Counter, OrderedDict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from midstep.diffusion.denoise import Denoiser
from midstep.diffusion.pipelines import catalogue_file
from midstep.errors import ScenarioError
from midstep.scenario import Scenario
from midstep.workload.catalogue import load_catalogue

__all__ = [
    "Embedder",
    "EncoderEmbedder",
    "Vector",
    "WordllamaEmbedder",
    "WordsEmbedder",
    "fingerprint",
    "open_embedder",
]

Vector = NDArray[np.float32]

DIMENSIONS = 256  # of hashed words, and of wordllama's shipped vectors
KEPT = 4096  # prompts whose vectors are kept

# These join words and say little by themselves; no negation, number or direction is among them.
_WORDS = "a an the and or of in on at by to for from with as is are was be it its this that"
FUNCTION_WORDS = frozenset(_WORDS.split())
FUNCTION_WEIGHT = 0.25
PAIR_WEIGHT = 0.5

REFERENCES = 32  # of a catalogue's prompts
REFERENCE = (  # of a model that has no catalogue: prompts as they come, unlike each other
    "a portrait of an old man",
    "a city street at night",
    "a small red car",
    "two dogs playing in the snow",
    "a bowl of fruit on a table",
    "a castle on a hill, oil painting",
    "an astronaut riding a horse",
    "a white cat sleeping on a sofa",
    "a forest in autumn",
    "a large blue balloon in the sky",
    "a robot holding a flower",
    "a bridge over a river",
    "an empty room with no people",
    "a ship on the sea",
    "a woman reading a book",
    "three yellow birds on a branch",
    "an abstract pattern of circles",
    "a train at a station",
    "a black and white photograph of a clock",
    "a dragon, fantasy art, highly detailed",
)


class Embedder(Protocol):
    """Embeds prompts. Where it asks the pipeline's encoder, in the thread that computes."""

    name: str
    dimensions: int

    def embed(self, prompt: str) -> Vector:
        """The prompt's vector, (dimensions,), float32, of unit length."""


class WordsEmbedder:
    """Hashed words and pairs of neighbouring words (the hashing trick, Weinberger et al. 2009):
    each adds its weight, with a sign of its own, to one of the vector's numbers. Capitals and
    punctuation count for nothing. The same on every machine."""

    name = "words"

    def __init__(self, dimensions: int = DIMENSIONS) -> None:
        self.dimensions = dimensions

    def embed(self, prompt: str) -> Vector:
        words = re.findall(r"\w+", prompt.lower()) or [prompt.strip()]
        weights: dict[str, float] = {}
        for word, count in Counter(words).items():
            weight = FUNCTION_WEIGHT if word in FUNCTION_WORDS else 1.0
            weights[word] = weight * math.sqrt(count)
        for pair, count in Counter(pairwise(words)).items():
            weights[" ".join(pair)] = PAIR_WEIGHT * math.sqrt(count)
        vector = [0.0] * self.dimensions
        for feature in sorted(weights):
            place, sign = _place(feature, self.dimensions)
            vector[place] += sign * weights[feature]
        if not any(vector):  # features that cancel each other out
            vector[_place(" ".join(words), self.dimensions)[0]] = 1.0
        return _unit(np.array(vector))


class EncoderEmbedder:
    """The denoiser's own text encoder: the mean state of the prompt's tokens, less the mean of
    `reference` prompts. An encoder's states all point one way (cosines of unlike prompts were .97
    to 1.00 on the shipped model), and what they have in common says nothing (Mu and Viswanath
    2018)."""

    name = "encoder"

    def __init__(self, denoiser: Denoiser, reference: Sequence[str] = REFERENCE) -> None:
        self._denoiser = denoiser
        self._vectors: OrderedDict[str, Vector] = OrderedDict()
        states = [state for prompt in reference if (state := denoiser.embed(prompt)) is not None]
        if not states:
            raise ScenarioError(
                "reuse.embedding: encoder: this pipeline has no text encoder; use words or auto"
            )
        self._common = np.mean(states, axis=0)
        self.dimensions = len(self._common)

    def embed(self, prompt: str) -> Vector:
        vector = self._vectors.get(prompt)
        if vector is not None:
            self._vectors.move_to_end(prompt)
            return vector
        state = self._denoiser.embed(prompt)
        assert state is not None  # it has an encoder
        vector = self._vectors[prompt] = _unit(state - self._common)
        if len(self._vectors) > KEPT:
            self._vectors.popitem(last=False)
        return vector


class WordllamaEmbedder:
    """Static vectors of word pieces, by the package wordllama (the extra `similar`), which comes
    with them. Nothing is downloaded."""

    name = "wordllama"
    dimensions = DIMENSIONS

    def __init__(self) -> None:
        try:
            package: Any = importlib.import_module("wordllama")
        except ImportError as error:
            raise ScenarioError(
                "reuse.embedding: wordllama is not installed; `pip install 'midstep[similar]'`, or "
                "use words or auto"
            ) from error
        # by default it looks for its own files in the home directory
        self._model = package.WordLlama.load(
            dim=DIMENSIONS, cache_dir=Path(package.__file__).parent, disable_download=True
        )

    def embed(self, prompt: str) -> Vector:
        return _unit(self._model.embed([prompt], norm=False)[0])


def fingerprint(embedder: Embedder) -> str:
    """What tells an embedder from another one, also of the same name and length: the signs of a
    prompt's vector. Computes where the embedder does."""
    signs = np.packbits(embedder.embed(REFERENCE[0]) > 0).tobytes()
    return f"{embedder.name} {embedder.dimensions} {signs.hex()}"


def open_embedder(scenario: Scenario, denoiser: Denoiser) -> Embedder:
    """The embedder that the scenario names: for `auto` the denoiser's text encoder where it has
    one, else hashed words. Raises ScenarioError where there is none of that name. Computes where
    the denoiser does."""
    name = scenario.reuse.embedding
    if name == "words":
        return WordsEmbedder()
    if name == "wordllama":
        return WordllamaEmbedder()
    if name == "auto" and denoiser.embed("a prompt") is None:
        return WordsEmbedder()
    file = catalogue_file(scenario.model.path)
    if file is None:
        return EncoderEmbedder(denoiser)
    return EncoderEmbedder(denoiser, load_catalogue(file).edge_prompts[:REFERENCES])


def _place(feature: str, dimensions: int) -> tuple[int, float]:
    """The number that a feature adds to, and its sign."""
    data = hashlib.blake2b(feature.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    number = int.from_bytes(data, "big")
    return (number >> 1) % dimensions, 1.0 if number & 1 else -1.0


def _unit(vector: NDArray[np.floating]) -> Vector:
    """A vector of unit length, in that direction."""
    long = vector.astype(np.float64)
    length = float(np.sqrt(long @ long))
    if not length > 0:
        raise ValueError("a prompt's vector is zero: it has no direction")
    return (long / length).astype(np.float32)
