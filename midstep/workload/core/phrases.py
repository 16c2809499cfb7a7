"""Phrases of style, praise and names, as style.txt lists them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

__all__ = ["Phrases", "StylePhrases", "style_phrases"]


class Phrases:
    """A set of phrases, looked for in a clause's words."""

    def __init__(self, phrases: Iterable[str]) -> None:
        self._by_first: dict[str, list[list[str]]] = {}
        for phrase in sorted(phrases, key=lambda one: -len(one.split())):
            words = phrase.split()
            self._by_first.setdefault(words[0], []).append(words)

    def match(self, words: Sequence[str], at: int) -> int:
        """Words of the longest phrase that begins at `at`, 0 where none does."""
        for phrase in self._by_first.get(words[at], ()):
            if words[at : at + len(phrase)] == phrase:
                return len(phrase)
        return 0


@dataclass(frozen=True)
class StylePhrases:
    """The words that praise, and `all`: these, the words of style and the artists' names."""

    quality: Phrases
    all: Phrases


@cache
def style_phrases() -> StylePhrases:
    """The phrases of style.txt, read once."""
    sections: dict[str, list[str]] = {}
    section: list[str] = []
    text = resources.files(__package__).joinpath("style.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        if line.startswith("["):
            section = sections.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            section.append(line)
    every = [phrase for phrases in sections.values() for phrase in phrases]
    return StylePhrases(Phrases(sections["quality"]), Phrases(every))
