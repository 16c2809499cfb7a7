"""The points of a curve: rules, their parameters, and the quality that users ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from edge_node.similar import SIMILAR_RULES
from edge_node.similar.base import BySimilarity, SimilarRule, Wanted
from edge_node.similar.staircase import fit_thresholds
from midstep.errors import OptionError
from midstep.reuse.embedding import Embedder
from midstep.reuse.index import Neighbours
from midstep.reuse.likeness import LIKENESS, UNKNOWN, UNRELATED
from midstep.reuse.limits import class_limit
from midstep.reuse.table import ReuseTable
from midstep.wire.identity import PipelineIdentity
from midstep.wire.messages import Quality
from midstep.workload.catalogue import Catalogue

__all__ = [
    "EXACT",
    "ORACLE",
    "QUALITIES",
    "STAIRCASE",
    "Drawn",
    "Measured",
    "Point",
    "by_cosine",
    "open_rule",
    "rule_steps",
    "sweep",
]

EXACT = "exact"  # no other prompt's output serves
ORACLE = "oracle"
STAIRCASE = "staircase"

Drawn = tuple[int, float, Mapping[str, float]]
"""A drawn picture: the donor's step, the cosine of the pair, values by metric."""

Measured = Callable[[Catalogue, PipelineIdentity, Embedder], Sequence[Drawn]]
"""Reads what a calibration has drawn of a catalogue's pairs on a model, with an embedder's
cosines."""

QUALITIES = (
    Quality(metric="fidelity", floor=1.0, share=0.95),
    *(Quality(metric="ssim", floor=floor, share=0.9) for floor in (0.95, 0.9, 0.8, 0.7)),
)
# beside a rule's calibrated or published parameters, at MIDDLE
OTHERS: dict[str, tuple[tuple[str, float], ...]] = {
    "any": (("step", 6), ("step", 8), ("step", 10)),
    "ramp": (("threshold", 0.5), ("threshold", 0.25)),
    "fixed": (("threshold", 0.7), ("threshold", 0.5), ("threshold", 0.3)),
}
MIDDLE = QUALITIES[3]
SOUGHT = QUALITIES[2:4]  # of the oracle


@dataclass(frozen=True, kw_only=True)
class Point:
    """A rule with its parameters, where users ask for `quality`: their own prompts' outputs serve
    them as far as that allows, whatever the rule. `embedding` is a value of reuse.embedding."""

    rule: str
    params: tuple[tuple[str, Any], ...] = ()
    embedding: str
    quality: Quality

    @property
    def name(self) -> str:
        """Rule and parameters, and the embedding where the rule goes by the cosine."""
        numbers = [(key, value) for key, value in self.params if not isinstance(value, tuple)]
        words = [self.rule, *(f"{key} {value:g}" for key, value in numbers)]
        if by_cosine(self.rule):
            words.append(f"({self.embedding})")
        return " ".join(words)

    @property
    def parameters(self) -> str:
        """The parameters in words; of a fitted staircase each step with its threshold."""
        words = []
        for key, value in self.params:
            if isinstance(value, tuple):
                text = ",".join(f"{step}:{least:g}" for step, least in value)
            else:
                text = f"{value:g}"
            words.append(f"{key}={text}")
        return " ".join(words)

    @property
    def label(self) -> str:
        """Name and quality."""
        return f"{self.name}, {self.wish}"

    @property
    def wish(self) -> str:
        """The quality in words."""
        quality = self.quality
        return f"{quality.metric} {quality.floor:g} in {quality.share:g}"


def by_cosine(rule: str) -> bool:
    """Whether a rule looks at the cosine alone, so that the embedding decides."""
    return rule not in (EXACT, ORACLE) and issubclass(SIMILAR_RULES[rule], BySimilarity)


def sweep(
    rules: Sequence[str],
    embeddings: Sequence[str],
    qualities: Sequence[Quality],
    table: ReuseTable | None,
    steps: int,
    drawn: Mapping[str, Sequence[Drawn]],
) -> list[Point]:
    """The points of these rules: each at every quality with its calibrated or published parameters,
    and at MIDDLE with others; rules that go by the cosine with each embedding, the others with the
    first. The oracle has its own (`sought`). `drawn`, by embedding: what a staircase is fitted to.
    Raises OptionError for a rule that there is not, or that lacks what it is fitted to."""
    points = []
    for rule in rules:
        if rule not in (EXACT, ORACLE) and rule not in SIMILAR_RULES:
            known = ", ".join([EXACT, *SIMILAR_RULES, ORACLE])
            raise OptionError(f"--rules: there is no rule {rule[:60]}; give some of {known}")
        if rule == ORACLE:
            continue
        if rule == STAIRCASE and not drawn:
            raise OptionError(
                "--rules: staircase is fitted to a catalogue's pairs: give --pairs, the journal "
                "that `midstep calibrate --reuse --likeness` leaves beside its table"
            )
        of = embeddings if by_cosine(rule) else embeddings[:1]
        for embedding, quality in product(of, qualities):
            others = OTHERS.get(rule, ()) if quality == MIDDLE else ()
            others = tuple(one for one in others if one[0] != "step" or one[1] < steps)
            points += [
                Point(rule=rule, params=params, embedding=embedding, quality=quality)
                for params in (
                    *_params(rule, quality, table, steps, drawn.get(embedding, ())),
                    *((one,) for one in others),
                )
            ]
    return [*dict.fromkeys(points)]


def sought(
    embeddings: Sequence[str], qualities: Sequence[Quality], table: ReuseTable | None
) -> list[tuple[Point, Point]]:
    """The oracle's points, each with the point that says what the other requests do: two of
    QUALITIES, and all of other `qualities`."""
    base = "any" if table is None else "calibrated"
    return [
        (
            Point(rule=ORACLE, embedding=embeddings[0], quality=quality),
            Point(rule=base, embedding=embeddings[0], quality=quality),
        )
        for quality in (SOUGHT if tuple(qualities) == QUALITIES else qualities)
    ]


def _params(
    rule: str,
    quality: Quality,
    table: ReuseTable | None,
    steps: int,
    drawn: Sequence[Drawn],
) -> list[tuple[tuple[str, Any], ...]]:
    """A rule's own parameters at a quality. `any` gets the limit that was measured for unrelated
    prompts, its calibrated step, and is left out where not even the first step is good enough;
    half of all steps where nothing was measured. `staircase` is fitted to what was `drawn`, a
    picture below the floor being spoilt."""
    if rule == STAIRCASE:
        spoilt = [
            (step, cosine, values[quality.metric] < quality.floor) for step, cosine, values in drawn
        ]
        return [(("fit", tuple(fit_thresholds(spoilt).items())),)]
    if rule != "any":
        return [()]
    measured = None
    if table is not None:
        wish = quality.metric, quality.floor
        measured = class_limit(table, UNRELATED, wish, quality.share)
    if measured is None:
        measured = steps // 2
    return [(("step", measured),)] if measured else []


def open_rule(point: Point, steps: int, table: ReuseTable | None) -> SimilarRule | None:
    """The rule of a point; None where no other prompt's output serves. Raises ScenarioError where
    it needs a table and there is none."""
    if point.rule == EXACT:
        return None
    kind: Any = SIMILAR_RULES[point.rule]
    params = {key: dict(value) if key == "fit" else value for key, value in point.params}
    rule: SimilarRule = kind(steps, table, **params)
    return rule


def rule_steps(rule: SimilarRule, quality: Quality, steps: int) -> list[int]:
    """Last steps that a rule gives to a prompt without a bound of its own, over every likeness and
    cosine, ascending: what is worth keeping for it."""
    cosines = np.linspace(0, 1, 41, dtype=np.float32)
    kind = np.repeat(np.arange(len(LIKENESS), dtype=np.int32), len(cosines))
    similarity = np.tile(cosines, len(LIKENESS))
    near = Neighbours([("", 0)] * len(kind), similarity, kind, np.zeros(len(kind), np.int32))
    wanted = Wanted(prompt="", prompt_key="", parts=UNKNOWN, limit=steps - 1, quality=quality)
    limits = np.unique(rule.limits(wanted, near)).tolist()
    return [step for step in limits if step]
