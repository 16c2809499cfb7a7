"""The rule of CacheSeek: a staircase, by a logistic fit of the probability that the donor shows."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge_node.similar.base import BySimilarity, check_step
from midstep.errors import ScenarioError
from midstep.home import in_home
from midstep.json_text import parse_json
from midstep.reuse.likeness import FloatArray, IntArray
from midstep.reuse.table import ReuseTable
from midstep.units import excerpt

__all__ = ["Sample", "Staircase", "fit_thresholds"]

# a step, the cosine, whether the picture was spoilt there
Sample = tuple[int, float, bool]

ROUNDS = 50
RIDGE = 1e-3  # of slope and intercept: samples that are all good or all bad have no finite fit
MOST = 5.0  # that a round changes one of them by
NEVER = 2.0  # no cosine is as high
WHOLE = re.compile(r"[1-9][0-9]{0,8}")  # so that no two texts are one step


class Staircase(BySimilarity):
    """CacheSeek: P(drift | score) at each step is fitted by a logistic curve and inverted at 20 %,
    which gives the least score of that step. A request gets the furthest step whose least score it
    has. `fit` has the least scores by step, or is a JSON file of them ({"10": 0.83}), as
    `fit_thresholds` makes them; those that the project ships are of another model and its reranker.
    """

    name = "staircase"
    nearest_only = True

    def __init__(
        self, steps: int, table: ReuseTable | None = None, *, fit: str | Mapping[int, float]
    ) -> None:
        super().__init__(steps, table)
        thresholds = _load(in_home(fit), steps) if isinstance(fit, str) else dict(fit)
        for step, least in thresholds.items():
            check_step(step, steps)
            _check_least(step, least)
        self.thresholds = dict(sorted(thresholds.items()))

    def by_similarity(self, similarity: FloatArray) -> IntArray:
        last = np.zeros(len(similarity), np.int32)
        for step, least in self.thresholds.items():
            last[similarity >= np.float32(least)] = step
        return last


def fit_thresholds(samples: Iterable[Sample], drift: float = 0.2) -> dict[int, float]:
    """The least score by step at which P(drift | score) is `drift` or less, by a logistic fit of
    each step's samples. NEVER where no score is enough, -1 where every score is."""
    by_step: dict[int, list[tuple[float, bool]]] = {}
    for step, score, drifted in samples:
        by_step.setdefault(step, []).append((score, drifted))
    goal = math.log(drift / (1 - drift))
    thresholds = {}
    for step, pairs in sorted(by_step.items()):
        intercept, slope = _logistic(pairs)
        at_ends = [intercept + slope * score <= goal for score in (-1.0, 1.0)]
        if all(at_ends):
            thresholds[step] = -1.0
        elif at_ends[1]:
            thresholds[step] = min(1.0, max(-1.0, (goal - intercept) / slope))
        else:  # not even an equal prompt, or the more alike the worse
            thresholds[step] = NEVER
    return thresholds


def _logistic(pairs: Sequence[tuple[float, bool]]) -> tuple[float, float]:
    """Intercept and slope of logit P(drifted | score), by Newton's method (IRLS)."""
    scores = np.array([score for score, _ in pairs], np.float64)
    drifted = np.array([bad for _, bad in pairs], np.float64)
    centre = scores.mean()
    columns = np.stack([np.ones_like(scores), scores - centre], 1)
    weights = np.zeros(2)
    for _ in range(ROUNDS):
        chance = 1 / (1 + np.exp(-np.clip(columns @ weights, -30, 30)))
        gradient = columns.T @ (chance - drifted) + RIDGE * weights
        curvature = (columns * (chance * (1 - chance))[:, None]).T @ columns + RIDGE * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        longest = max(1.0, float(np.abs(step).max()) / MOST)
        weights -= step / longest
        if np.abs(step).max() < 1e-9:
            break
    return float(weights[0] - weights[1] * centre), float(weights[1])


def _check_least(step: int, least: Any) -> None:
    """Raise ValueError where a step's least score is neither a cosine nor NEVER."""
    number = type(least) in (int, float)
    if not number or not (-1 <= least <= 1 or least == NEVER):
        raise ValueError(
            f"step {step} has the least score {excerpt(least)}: a cosine goes from -1 to 1, and "
            f"{NEVER:g} stands for a step that serves nobody"
        )


def _load(path: Path, steps: int) -> dict[int, float]:
    """Least scores by step from a file, of a model of so many steps. Raises ScenarioError."""
    where = f"reuse.similar_params.fit: {path}"
    try:
        tree = parse_json(path.read_bytes(), unique=True)
        if not isinstance(tree, dict) or not tree:
            raise ValueError(f"it is {'empty' if tree == {} else excerpt(tree)}")
        for key, least in tree.items():
            if not WHOLE.fullmatch(key) or not 1 <= int(key) <= steps:
                raise ValueError(f"{excerpt(key)} is no step: steps go from 1 to {steps}")
            _check_least(int(key), least)
    except (OSError, ValueError) as error:
        raise ScenarioError(
            f'{where} has no least scores by step, such as {{"10": 0.83}}: {error}'
        ) from error
    return {int(key): float(least) for key, least in tree.items()}
