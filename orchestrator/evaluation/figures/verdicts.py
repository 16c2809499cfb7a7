"""From numbers to verdicts, by criteria that are stated here and nowhere typed in.

Every interval is Student's t, 95 %, over seeds; two policies, or two points, are compared seed by
seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from orchestrator.evaluation.figures.values import Floats
from orchestrator.records.statistics import over_seeds

__all__ = [
    "CRITERIA",
    "IN_FORM",
    "NOT",
    "POINTS",
    "REPRODUCED",
    "Finding",
    "best",
    "clear",
    "law",
    "middle",
    "number",
    "trend",
]

REPRODUCED = "reproduced"
IN_FORM = "in form only"
NOT = "not reproduced"
POINTS = 0.02  # a share counts as reproduced within two percentage points of the paper's
POWER = 0.25  # an exponent, within this

CRITERIA = f"""\
* A number is *{REPRODUCED}* where the paper's lies within our interval or within 2 percentage
  points (Fig. 5: 0.01; Fig. 7: 2 dB) of our mean, *{IN_FORM}* where only the sign or the direction
  is the paper's (our interval leaves 0 out), else *{NOT}*.
* A trend is *{REPRODUCED}* where the change from the first point to the last has the paper's
  direction, its interval leaves 0 out, and no step between goes back; *{IN_FORM}* where one does.
* A law (as V, as 1/V) is *{REPRODUCED}* where the exponent, the slope in logarithms, is the
  paper's within {POWER} or our interval; *{IN_FORM}* where it has the paper's sign and its interval
  leaves 0 out.
* "Best of the four" is *{REPRODUCED}* where DRC beats each of the three at every point and each
  interval leaves 0 out; *{IN_FORM}* where it does so on the mean over the points; else *{NOT}*.
"""


@dataclass(frozen=True)
class Finding:
    """Our number in words, the verdict, the reason in a clause; `mean` and `ci95` where one number
    says it."""

    ours: str
    verdict: str
    reason: str
    mean: float | None = None
    ci95: float | None = None


def number(
    values: Floats, paper: float, scale: float, unit: str, within: float = POINTS
) -> Finding:
    """`values` (seeds,) against the paper's number, both positive where the paper is right; shown
    times `scale`."""
    mean, half = middle(values)
    if np.isnan(mean):
        return Finding("-", NOT, "there is no number")
    ours = f"{scale * mean:.4g} ± {scale * half:.2g}{unit}"
    away = mean - paper
    apart = " points" if unit == " %" else unit
    where = f"{abs(scale * away):.3g}{apart} {'above' if away > 0 else 'below'} the paper's"
    if abs(away) <= max(within, half):
        return Finding(ours, REPRODUCED, where, mean, half)
    if mean - half > 0:
        return Finding(ours, IN_FORM, f"the sign is right, the size is not: {where}", mean, half)
    return Finding(
        ours,
        NOT,
        "the interval holds 0" if mean + half >= 0 else "the sign is the other one",
        mean,
        half,
    )


def trend(values: Floats, rises: bool, scale: float, unit: str) -> Finding:
    """`values` (points, seeds): whether they rise, or fall, from the first point to the last."""
    sign = 1 if rises else -1
    mean, half = middle(sign * (values[-1] - values[0]))
    ends = f"{scale * values[0].mean():.4g} to {scale * values[-1].mean():.4g}{unit}"
    ours = f"{ends} ({sign * scale * mean:+.3g} ± {scale * half:.2g})"
    if not mean - half > 0:
        reason = (
            "the change is not told apart from 0" if mean + half >= 0 else "it goes the other way"
        )
        return Finding(ours, NOT, reason, sign * mean, half)
    steps = sign * np.diff(values.mean(axis=1))
    level = int((steps == 0).sum())
    back = int((steps < 0).sum())
    if back:
        return Finding(
            ours,
            IN_FORM,
            f"over the whole range; {back} of {len(steps)} steps back",
            sign * mean,
            half,
        )
    where = (
        f"at {len(steps) - level} of {len(steps)} steps, level at the rest"
        if level
        else "at every step"
    )
    return Finding(ours, REPRODUCED, f"{'rises' if rises else 'falls'} {where}", sign * mean, half)


def law(x: Sequence[float], values: Floats, power: int) -> Finding:
    """Whether `values` (points, seeds) go as x ** power: the slope of a line through their
    logarithms, seed by seed."""
    if (values <= 0).any():
        return Finding("-", NOT, "it is 0 in places")
    slopes = np.polyfit(np.log(x), np.log(values), 1)[0]
    mean, half = middle(slopes)
    ours = (
        f"exponent {mean:.3g} ± {half:.2g} ({values[0].mean():.6g} to {values[-1].mean():.6g} ms)"
    )
    if abs(mean - power) <= max(POWER, half):
        return Finding(
            ours, REPRODUCED, f"the exponent is {power} within {max(POWER, half):.2g}", mean, half
        )
    if np.sign(power) * mean - half > 0:
        kind = "grows" if power > 0 else "falls"
        much = 100 * abs(values[-1].mean() / values[0].mean() - 1)
        return Finding(
            ours,
            IN_FORM,
            f"it {kind}, by {much:.2g} % in all, not with exponent {power}",
            mean,
            half,
        )
    return Finding(ours, NOT, "no slope of that sign is told apart from 0", mean, half)


def best(x: Sequence[float], mine: Floats, rivals: Mapping[str, Floats], lower: bool) -> Finding:
    """Whether `mine` (points, seeds) is better than each rival's, at every point; `lower` is
    better, or higher is."""
    sign = 1 if lower else -1
    ahead = {name: sign * (values - mine) for name, values in rivals.items()}
    behind, level = (
        {
            name: [
                at
                for at, row in zip(x, d, strict=True)
                if not clear(row) and clear(-row) == is_behind
            ]
            for name, d in ahead.items()
        }
        for is_behind in (True, False)
    )
    name = min(ahead, key=lambda rival: float(ahead[rival].mean()))
    mean, half = middle(ahead[name].mean(axis=0))
    share = 100 / float(np.abs(rivals[name]).mean() or np.nan)
    ours = (
        f"{share * mean:+.3g} ± {share * half:.2g} % ahead of {name}, the nearest, over the points"
    )
    where = "; ".join(
        f"{how} {rival} at {', '.join(f'{at:g}' for at in points)}"
        for how, rivals_at in (("behind", behind), ("level with", level))
        for rival, points in rivals_at.items()
        if points
    )
    if not where:
        return Finding(ours, REPRODUCED, "ahead of each at every point", mean, half)
    if mean - half > 0:
        return Finding(ours, IN_FORM, f"ahead over the points together, but {where}", mean, half)
    return Finding(ours, NOT, where, mean, half)


def clear(differences: Floats) -> bool:
    """Whether (seeds,) differences are above 0, their interval too."""
    mean, half = middle(differences)
    return bool(mean - half > 0)


def middle(values: Floats) -> tuple[float, float]:
    """Mean and half-width of the 95 % interval; nan, inf where there is nothing to say."""
    interval = over_seeds(values)
    mean = interval["mean"]
    half = interval["ci95"]
    return np.nan if mean is None else mean, np.inf if half is None else half
