"""A small store of like prompts with its finder, on the shipped catalogue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edge_node.cache.base import Entry
from edge_node.cache.indexed import IndexedStore
from edge_node.cache.store import Store
from edge_node.similar import Finder, SimilarRule, Wanted
from midstep.reuse.embedding import WordsEmbedder
from midstep.reuse.likeness import Grammar
from midstep.scenario_file import load
from midstep.wire.frame import Frame
from midstep.wire.identity import OutputKey
from midstep.wire.messages import Quality
from midstep.workload.requests import find_catalogue

STEPS = 20
PIPELINE = "p"
GRAMMAR = Grammar(find_catalogue(load("laptop")))
WORDS = WordsEmbedder()
QUALITY = Quality(metric="fidelity", floor=1.0, share=0.95)

PANDA_BEACH = "a panda on a beach"
PANDA_SNOW = "a panda in the snow"
FOX_BEACH = "a fox on a beach"
OWL_ROOM = "an owl in a room"


def shared_key(prompt: str) -> str:
    """The key that everybody shares for a prompt."""
    return OutputKey.of(PIPELINE, prompt, None, 1).digest()


def entry(prompt: str, step: int = 8, key: str | None = None, nbytes: int = 10) -> Entry:
    """A held output of a prompt at a step; `key` None: the one that everybody shares."""
    frame = Frame.seal(PIPELINE, key or shared_key(prompt), step, STEPS, bytes(nbytes))
    return Entry(prompt, frame, embedding=WORDS.embed(prompt))


def indexed(capacity: int = 100_000, several: bool = False) -> IndexedStore:
    """An empty store with its index."""
    return IndexedStore(Store(capacity, several), GRAMMAR, WORDS.dimensions, shared_key)


def finder(
    rule: SimilarRule,
    *entries: Entry,
    several: bool = False,
    cap: Callable[[str, Quality, int], int] | None = None,
) -> Finder:
    """A finder over a store of these entries."""
    store = indexed(several=several)
    for one in entries:
        assert store.admit(one)
    return Finder(store, rule, WORDS, GRAMMAR, cap)


def wanted(finder: Finder, prompt: str, limit: int = STEPS, **changes: Any) -> Wanted:
    """A request for a prompt."""
    fields = {"prompt_key": shared_key(prompt), "quality": QUALITY, **changes}
    return finder.wanted(prompt, limit=limit, **fields)


def donor(finder: Finder, prompt: str, limit: int = STEPS, above: int = 0) -> tuple[str, int]:
    """Prompt and step of what the finder finds; nothing: an empty prompt at step 0."""
    found = finder.find(wanted(finder, prompt, limit), WORDS.embed(prompt), above)
    if found is None:
        return "", 0
    assert found.entry is not None
    return found.entry.prompt, found.step
