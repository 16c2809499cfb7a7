"""What forced choice says of hard negatives: shares with and without reuse, and their difference on
the same pairs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from midstep.reuse.proportions import paired_difference, wilson

__all__ = ["Judged", "page", "rows"]

HEAD = (
    "differs in",
    "likeness",
    "step",
    "with reuse",
    "without",
    "lost",
    "gained",
    "difference, points",
    "",
)
NUMBER_AND_NO = (
    "The catalogue has no numbers and no negations: pairs that differ in these are not drawn."
)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The pairs of an attribute whose pictures were drawn at a step. A verdict a pair: whether the
    picture is judged as the user's own, with reuse and without. `own`: between the two prompts;
    `whole`: right in all, among everything that the catalogue can ask for. `limit`: whether the
    step is the calibrated limit of the `likeness`."""

    attribute: str
    likeness: str
    step: int
    limit: bool
    own: Sequence[tuple[bool, bool]]
    whole: Sequence[tuple[bool, bool]]


def page(judged: Iterable[Judged], title: str, unserved: Sequence[str]) -> str:
    """The tables in Markdown. `unserved`: attributes whose likeness serves nobody, in words."""
    lines = [title, ""]
    every = [*judged]
    for name, words in (
        ("own", "Forced choice between the two prompts: judged as the user's own"),
        ("whole", "Right in object, background, size and position"),
    ):
        lines += [f"{words}, with reuse and without, on the same pairs:", ""]
        lines.append(f"| {' | '.join(HEAD)} |")
        lines.append("|" + "---|" * len(HEAD))
        lines += [_row(one, vars(one)[name]) for one in every]
        lines.append("")
    lines += [*unserved, NUMBER_AND_NO]
    return "\n".join(lines) + "\n"


def rows(judged: Iterable[Judged]) -> list[dict[str, Any]]:
    """Rows of a CSV: an attribute, step and kind of choice each."""
    return [
        {
            "attribute": one.attribute,
            "likeness": one.likeness,
            "step": one.step,
            "is_limit": int(one.limit),
            "choice": name,
            **_counts(verdicts),
        }
        for one in judged
        for name, verdicts in (("two", one.own), ("all", one.whole))
    ]


def _counts(verdicts: Sequence[tuple[bool, bool]]) -> dict[str, float]:
    both = sum(reused and alone for reused, alone in verdicts)
    gained = sum(reused and not alone for reused, alone in verdicts)
    lost = sum(alone and not reused for reused, alone in verdicts)
    count = len(verdicts)
    low, high = paired_difference(both, gained, lost, count - both - gained - lost)
    return {
        "pairs": count,
        "with_reuse": both + gained,
        "without": both + lost,
        "lost": lost,
        "gained": gained,
        "difference": round((gained - lost) / max(1, count), 5),
        "low": round(low, 5),
        "high": round(high, 5),
    }


def _row(one: Judged, verdicts: Sequence[tuple[bool, bool]]) -> str:
    of = _counts(verdicts)
    count = int(of["pairs"])
    step = f"{one.step}, the limit" if one.limit else str(one.step)
    verdict = "worse" if of["high"] < 0 else "better" if of["low"] > 0 else "no difference shown"
    cells = [
        one.attribute,
        one.likeness,
        step,
        _share(int(of["with_reuse"]), count),
        _share(int(of["without"]), count),
        f"{of['lost']:.0f}",
        f"{of['gained']:.0f}",
        f"{100 * of['difference']:+.1f} ({100 * of['low']:+.1f} to {100 * of['high']:+.1f})",
        verdict,
    ]
    return f"| {' | '.join(cells)} |"


def _share(right: int, count: int) -> str:
    low, high = wilson(right, count)
    return f"{right} of {count} ({low:.1%} to {high:.1%})"
