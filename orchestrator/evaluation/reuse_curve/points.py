"""The points of a curve: rules, their parameters, and the quality that users ask for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_node.similar import SIMILAR_RULES
from edge_node.similar.base import SimilarRule, Wanted
from midstep.errors import OptionError
from midstep.reuse.index import Neighbours
from midstep.reuse.likeness import LIKENESS, UNKNOWN, UNRELATED
from midstep.reuse.limits import class_limit
from midstep.reuse.table import ReuseTable
from midstep.wire.messages import Quality

__all__ = ["EXACT", "ORACLE", "QUALITIES", "Point", "open_rule", "rule_steps", "sweep"]

EXACT = "exact"  # no other prompt's output serves
ORACLE = "oracle"
SHARE = 0.95
QUALITIES = (
    Quality(metric="fidelity", floor=1.0, share=0.99),
    Quality(metric="fidelity", floor=1.0, share=SHARE),
    *(
        Quality(metric="ssim", floor=floor, share=SHARE)
        for floor in (0.95, 0.9, 0.85, 0.8, 0.7, 0.6)
    ),
)
ANY_STEPS = (4, 6, 8, 10, 12)  # beside the calibrated one
THRESHOLDS = (0.95, 0.8, 0.65)  # of `fixed`, beside its own


@dataclass(frozen=True, kw_only=True)
class Point:
    """A rule with its parameters, where users ask for `quality`: their own prompts' outputs serve
    them as far as that allows, whatever the rule."""

    rule: str
    params: tuple[tuple[str, Any], ...] = ()
    quality: Quality

    @property
    def name(self) -> str:
        """Rule and parameters."""
        return " ".join([self.rule, *(f"{key} {value:g}" for key, value in self.params)])

    @property
    def label(self) -> str:
        """Name and quality."""
        return f"{self.name}, {self.wish}"

    @property
    def wish(self) -> str:
        """The quality in words."""
        quality = self.quality
        return f"{quality.metric} {quality.floor:g} in {quality.share:g}"


def sweep(
    rules: Sequence[str], qualities: Sequence[Quality], table: ReuseTable | None, steps: int
) -> list[Point]:
    """The points of these rules: each at every quality, and at the first one with other parameters.
    Raises OptionError for a rule that there is not."""
    points = []
    for rule in rules:
        if rule != EXACT and rule not in SIMILAR_RULES:
            known = ", ".join([EXACT, *SIMILAR_RULES])
            raise OptionError(f"--rules: there is no rule {rule[:60]}; give some of {known}")
        for quality in qualities:
            points += [
                Point(rule=rule, params=params, quality=quality)
                for params in _params(rule, quality, table, steps)
            ]
        for params in _others(rule, steps):
            points.append(Point(rule=rule, params=params, quality=qualities[0]))
    return [*dict.fromkeys(points)]


def _params(
    rule: str, quality: Quality, table: ReuseTable | None, steps: int
) -> Iterator[tuple[tuple[str, Any], ...]]:
    """A rule's parameters at a quality. `any` gets the limit that was measured for unrelated
    prompts: its calibrated step."""
    if rule != "any":
        yield ()
        return
    measured = None
    if table is not None:
        wish = quality.metric, quality.floor
        measured = class_limit(table, UNRELATED, wish, quality.share)
    if measured is None:
        yield ()
    elif measured:
        yield (("step", measured),)


def _others(rule: str, steps: int) -> Iterator[tuple[tuple[str, Any], ...]]:
    """Other parameters of a rule, beside its calibrated or published ones."""
    if rule == "any":
        yield from ((("step", step),) for step in ANY_STEPS if step < steps)
    if rule == "fixed":
        yield from ((("threshold", threshold),) for threshold in THRESHOLDS)


def open_rule(point: Point, steps: int, table: ReuseTable | None) -> SimilarRule | None:
    """The rule of a point; None where no other prompt's output serves. Raises ScenarioError where
    it needs a table and there is none."""
    if point.rule == EXACT:
        return None
    kind: Any = SIMILAR_RULES[point.rule]
    rule: SimilarRule = kind(steps, table, **dict(point.params))
    return rule


def rule_steps(rule: SimilarRule, quality: Quality, steps: int) -> list[int]:
    """Last steps that a rule gives to a prompt without a bound of its own, over every likeness and
    cosine, ascending: what is worth keeping for it."""
    cosines = np.linspace(0, 1, 41, dtype=np.float32)
    kind = np.repeat(np.arange(len(LIKENESS), dtype=np.int32), len(cosines))
    similarity = np.tile(cosines, len(LIKENESS))
    near = Neighbours(
        [("", 0)] * len(kind), similarity, kind, np.zeros(len(kind), np.int32)
    )
    wanted = Wanted(
        prompt="", prompt_key="", parts=UNKNOWN, limit=steps - 1, quality=quality
    )
    limits = np.unique(rule.limits(wanted, near)).tolist()
    return [step for step in limits if step]
