"""Likeness of two prompts: what differs between them, in the grammar of the catalogue; of free text
how near their embeddings are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from midstep.workload.catalogue import UNSAID, Catalogue

__all__ = [
    "FIRST_OF_WORDS",
    "LIKENESS",
    "SAME_OBJECT",
    "SAME_PLACEMENT",
    "SAME_SCENE",
    "UNKNOWN",
    "UNRELATED",
    "WORDS_ENDS",
    "FloatArray",
    "Grammar",
    "IntArray",
    "Parts",
    "kinds",
    "words_kind",
]

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int32]

SAME_OBJECT = "same object"
SAME_SCENE = "same scene"
SAME_PLACEMENT = "same placement"
UNRELATED = "unrelated"
OF_CATALOGUE = (SAME_OBJECT, SAME_SCENE, SAME_PLACEMENT, UNRELATED)

# Free text: bins of the cosine by their lower ends. Below the last end is the last bin, too.
WORDS_ENDS = (0.95, 0.9, 0.8, 0.65, 0.0)
LIKENESS = (*OF_CATALOGUE, "words .95", "words .9", "words .8", "words .65", "words 0")

FIRST_OF_WORDS = len(OF_CATALOGUE)  # number of the first bin
_ENDS = np.array(WORDS_ENDS[:-1], np.float32)


class Parts(NamedTuple):
    """What a prompt asks for, by the catalogue's indices: an object, a background and an ending;
    -1 each where the prompt is no prompt of the catalogue."""

    thing: int
    background: int
    ending: int


UNKNOWN = Parts(-1, -1, -1)


class Grammar:
    """Reads prompts of a catalogue, core prompts and those with an ending; None: knows none."""

    def __init__(self, catalogue: Catalogue | None) -> None:
        self._unsaid = 0 if catalogue is None else catalogue.endings.index(UNSAID)
        self._heads: dict[str, tuple[int, int]] = {}
        self._tails: tuple[tuple[str, int], ...] = ()
        if catalogue is None:
            return
        self._tails = tuple((b.phrase, n) for n, b in enumerate(catalogue.backgrounds))
        first = {edge.thing: edge for edge in catalogue.edges}
        for thing, edge in first.items():
            phrase = catalogue.backgrounds[edge.background].phrase
            for number, ending in enumerate(catalogue.endings):
                head = catalogue.prompt(edge, ending).removesuffix(phrase)
                self._heads[head] = thing, number

    def parts(self, prompt: str) -> Parts:
        """Object, background and ending of a prompt."""
        for phrase, background in self._tails:
            if prompt.endswith(phrase):
                head = self._heads.get(prompt.removesuffix(phrase))
                if head is not None:
                    return Parts(head[0], background, head[1])
        return UNKNOWN

    def kind(self, prompt: str, other: str, similarity: float) -> str:
        """Likeness of two prompts whose embeddings have the cosine `similarity`."""
        others = np.array([self.parts(other)], np.int32)
        number = kinds(self.parts(prompt), others, np.array([similarity], np.float32))[0]
        return LIKENESS[number]


def words_kind(similarity: float) -> str:
    """Likeness of free text by the cosine of the embeddings."""
    return LIKENESS[_bins(np.array([similarity], np.float32))[0]]


def kinds(parts: Parts, others: IntArray, similarity: FloatArray) -> IntArray:
    """Numbers into LIKENESS, (n,), of a prompt of these parts and each of `others`, (n, 3), whose
    cosines are `similarity`, (n,). Equal objects and backgrounds are the same object. What says an
    ending, and not this prompt's, is of no class of the catalogue: it goes by the cosine, as free
    text does, since what it shows of size and position is wrong here."""
    if parts.thing < 0:
        return _bins(similarity)
    things, backgrounds, endings = others.T
    # from 3, unrelated: 3 less for the object, 2 for the scene, 1 for the placement
    same = np.multiply(things == parts.thing, 3, dtype=np.int8)
    same = np.maximum(same, np.multiply(backgrounds == parts.background, 2, dtype=np.int8))
    if parts.ending > 0:  # an ending that is said: 0 is UNSAID
        same = np.maximum(same, (endings == parts.ending).view(np.int8))
    number: IntArray = np.subtract(3, same, dtype=np.int32)
    other_ending = (endings > 0) & (endings != parts.ending)
    foreign = np.flatnonzero((things < 0) | other_ending)
    if len(foreign):
        number[foreign] = _bins(similarity[foreign])
    return number


def _bins(similarity: FloatArray) -> IntArray:
    """Numbers of the bins of free text; a cosine at a lower end belongs to that bin."""
    number = np.full(len(similarity), FIRST_OF_WORDS, np.int32)
    for end in _ENDS:
        number += similarity < end
    return number
