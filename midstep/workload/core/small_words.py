"""Small words by what they do in a prompt, for the plain rule of its core."""

from __future__ import annotations

__all__ = [
    "ATTRIBUTIONS",
    "CONJUNCTIONS",
    "DETERMINERS",
    "ENDINGS",
    "FUNCTION",
    "INTENSIFIERS",
    "NAME_ENDS",
    "NEGATIONS",
    "NO_NAMES",
    "PASSIVES",
    "WORKS",
]

DETERMINERS = frozenset({
    "a", "an", "her", "his", "its", "my", "our", "that", "the", "their", "this", "your",
})  # fmt: skip
NEGATIONS = frozenset({"never", "no", "non", "not", "without"})
"""Words after which nothing is dropped."""
INTENSIFIERS = frozenset({
    "absolutely", "absurdly", "extremely", "highly", "hyper", "incredibly", "insanely", "most",
    "really", "so", "super", "too", "ultra", "very",
})  # fmt: skip
"""Words that go with the praise that they strengthen."""
CONJUNCTIONS = frozenset({"also", "and", "but", "or", "then"})
FUNCTION = frozenset({
    "a", "an", "and", "are", "as", "at", "be", "for", "from", "has", "her", "his", "in", "into",
    "is", "it", "its", "of", "on", "onto", "or", "some", "that", "the", "their", "this", "to",
    "was", "were", "which", "with",
})  # fmt: skip
"""Words that say nothing alone: a clause of them and of style words is dropped."""
ENDINGS = FUNCTION | CONJUNCTIONS | frozenset({"by", "like", "over", "under"})
"""Words that a clause cannot end with."""
WORKS = frozenset({
    "art", "artwork", "created", "designed", "directed", "drawn", "featured", "illustrated",
    "inspired", "made", "painted", "photographed", "rendered", "sculpted",
})  # fmt: skip
"""What goes with an artist's name: "painted by", "art by"."""
NO_NAMES = frozenset({"candlelight", "day", "firelight", "hand", "itself", "moonlight", "night"})
"""What follows "by" and is no artist: "by night"."""
PASSIVES = frozenset({
    "driven", "eaten", "held", "hidden", "lit", "overgrown", "ridden", "seen", "worn",
})  # fmt: skip
"""What "by" follows without an artist, besides what ends in "ed": "lit by lamps"."""
NAME_ENDS = frozenset({
    "as", "at", "during", "for", "from", "holding", "in", "inside", "near", "on", "over",
    "under", "wearing", "while", "with",
})  # fmt: skip
"""Where a name is over: "by goya with a dog"."""
ATTRIBUTIONS = tuple(
    tuple(phrase.split())
    for phrase in (
        "in the style of",
        "in the styles of",
        "in style of",
        "style of",
        "trending on",
        "trending in",
        "featured on",
        "rendered in",
    )
)
