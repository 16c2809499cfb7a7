"""The plain rule: a prompt's core by words alone, without a library and the same everywhere."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from midstep.workload.core.phrases import Phrases, style_phrases
from midstep.workload.core.small_words import (
    ATTRIBUTIONS,
    CONJUNCTIONS,
    DETERMINERS,
    ENDINGS,
    FUNCTION,
    INTENSIFIERS,
    NAME_ENDS,
    NEGATIONS,
    NO_NAMES,
    PASSIVES,
    WORKS,
)

__all__ = ["WordsRule", "content_clauses"]

FIGURE = re.compile(r"\d+(k|d|mm|fps|bit)|\d+x\d+|f/?\d+(\.\d+)?|v\d+|\d{1,2}")
"""Figures that belong to style words: 8k, 35mm, unreal engine 5."""


class WordsRule:
    """See CoreRule. Praise, artists, prompt syntax and the clauses that speak of style alone go,
    everything else stays: a prompt that only says what is shown is its own core."""

    def cores(self, prompts: Sequence[str]) -> list[str]:
        return [_core(prompt) for prompt in prompts]


@lru_cache(maxsize=1 << 16)
def _core(prompt: str) -> str:
    core = prompt
    while True:
        clauses = dict.fromkeys(" ".join(words) for words in content_clauses(core))
        shorter = ", ".join(clauses) or core
        if shorter == core:  # words that have met may say more: a core is its own core
            return core
        core = shorter


def content_clauses(prompt: str) -> list[list[str]]:
    """What a prompt says of the picture: the words of its clauses, in lower case and in their
    order, without praise, artists' names and prompt syntax, and without clauses of style alone.
    Empty where there is nothing else."""
    clauses = (_content(clause.split()) for clause in _clauses(prompt))
    return [words for words in clauses if words]


def _clauses(prompt: str) -> list[str]:
    """A prompt's clauses in lower case, without prompt syntax; hyphens are spaces, figures that a
    tokenizer has spaced out (`1 9 8 0`, `8 k`) are one word again."""
    text = re.sub(r"\b(AND|BREAK)\b", ",", prompt)  # of composed prompts
    text = re.sub(r"<[^<>]*>", " ", text)  # <lora:name:0.8>
    text = re.sub(r"(^|\s)--[a-zA-Z].*", " ", text)  # --ar 16:9 --no hands
    text = re.sub(r"(?<![^,|:])[^,|:]*::\s*-[\d.]+", ",", text)  # text::-0.5: what is not wanted
    text = re.sub(r"::\s*[\d.]*", ",", text)  # a cat::2 a dog::1
    text = re.sub(r":\s*\d*\.?\d+\s*(?=[)\]}])", " ", text)  # (a cat:1.3)
    text = re.sub(r"[()\[\]{}\\\"*_~“”]", " ", text.lower())
    text = re.sub(r"[-–—]", " ", text)
    text = re.sub(r"(?<=\b\d) (?=\d\b)", "", text)
    text = re.sub(r"\b(\d+) (k|d|mm)\b", r"\1\2", text)
    return re.split(r"[,;|!?\n。，、]|:(?!\d)|(?<!\b[a-z])(?<!\b[dms][rt])\.(?!\d)| / ", text)


def _content(words: list[str]) -> list[str]:
    """What a clause says of the picture; empty where it speaks of style alone."""
    words = _without_quality(_without_names(words))
    if _only_style(words):
        return []
    words = _without_tail(words)
    while words and words[0] in CONJUNCTIONS:
        words = words[1:]
    return words


def _without_names(words: list[str]) -> list[str]:
    """A clause without who it is by, in whose style, and where it is trending."""
    remaining: list[str] = []
    at = 0
    while at < len(words):
        length = _attribution(words, at)
        if length == 0:
            remaining.append(words[at])
            at += 1
            continue
        while remaining and remaining[-1] in WORKS:
            remaining.pop()
        at += length
        while at < len(words) and not _ends_name(words, at):
            at += 1
    return remaining


def _attribution(words: list[str], at: int) -> int:
    """How many words begin an attribution here, 0 where none does."""
    for phrase in ATTRIBUTIONS:
        if tuple(words[at : at + len(phrase)]) == phrase:
            return len(phrase)
    if words[at] != "by" or at + 1 == len(words):
        return 0
    return int(_is_by_somebody(words[at - 1] if at else "", words[at + 1]))


def _is_by_somebody(before: str, after: str) -> bool:
    """Whether "by" names an artist: not in "by the sea", "lit by lamps", "side by side"."""
    if after in DETERMINERS or after in NO_NAMES or after == before:
        return False
    passive = before.endswith("ed") or before in PASSIVES
    return before in WORKS or not passive


def _ends_name(words: list[str], at: int) -> bool:
    """Whether a name is over: "by goya of a dog", "by goya and a dog", "by goya in the rain"."""
    if words[at] in ("and", "of"):
        return at + 1 < len(words) and words[at + 1] in DETERMINERS
    return words[at] in NAME_ENDS or _attribution(words, at) > 0


def _without_quality(words: list[str]) -> list[str]:
    """A clause without the words that praise; with them after a negation."""
    quality = style_phrases().quality
    remaining: list[str] = []
    at = 0
    while at < len(words):
        length = quality.match(words, at)
        if length and (not remaining or remaining[-1] not in NEGATIONS):
            while remaining and remaining[-1] in INTENSIFIERS:
                remaining.pop()
            at += length
            if at < len(words) and remaining and remaining[-1] in ("a", "an"):
                remaining[-1] = "an" if words[at][0] in "aeiou" else "a"
        else:
            remaining.append(words[at])
            at += 1
    return remaining


def _only_style(words: list[str]) -> bool:
    """Whether a clause has nothing but style words, names, and what joins them."""
    phrases = style_phrases().all
    at = 0
    while at < len(words):
        length = phrases.match(words, at)
        joins = words[at] in FUNCTION or words[at] in INTENSIFIERS
        if not (length or joins or FIGURE.fullmatch(words[at])):
            return False
        at += max(1, length)
    return True


def _without_tail(words: list[str]) -> list[str]:
    """A clause without the style phrases of two words or more that run on at its end ("a fox
    digital art concept art"), unless they are what is shown ("a fox in a comic book")."""
    phrases = style_phrases().all
    while True:
        while words and words[-1] in ENDINGS:
            words = words[:-1]
        at = next((at for at in range(1, len(words) - 1) if _is_tail(words, at, phrases)), 0)
        if at == 0:
            return words
        words = words[:at]


def _is_tail(words: list[str], at: int, phrases: Phrases) -> bool:
    """Whether a style phrase stands from here to the end, and belongs to nothing before it."""
    before = words[at - 1]
    free = before not in ENDINGS and before not in NEGATIONS
    return free and phrases.match(words, at) == len(words) - at
