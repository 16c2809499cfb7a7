"""What two edge prompts have in common: the class that says how far an output made for one of them
serves the other."""

from __future__ import annotations

__all__ = ["LIKENESS", "SAME_OBJECT", "SAME_PLACEMENT", "SAME_SCENE", "UNRELATED"]

SAME_OBJECT = "same object"
SAME_SCENE = "same scene"
SAME_PLACEMENT = "same placement"
UNRELATED = "unrelated"
LIKENESS = (
    SAME_OBJECT,
    SAME_SCENE,
    SAME_PLACEMENT,
    UNRELATED,
    # free text, by the lower ends of bins of cosine
    "words .95",
    "words .9",
    "words .8",
    "words .65",
    "words 0",
)
