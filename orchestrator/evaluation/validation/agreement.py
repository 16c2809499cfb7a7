"""Agreement of two roads: per stage, per request, and in the figures that a policy moves.

Stages include their queues: a device's transfer begins when its frame has come, whatever earlier
frames the link still carries. Bounds and their reasons: docs/model.md, "Three roads".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from midstep.telemetry.record import STAGES
from midstep.wire.messages import HITS
from orchestrator.evaluation.validation.pairing import Pairing, Rows, pairing
from orchestrator.records.statistics import Floats, percentile

__all__ = [
    "Agreement",
    "Bound",
    "Figures",
    "StageError",
    "agreement",
    "figures",
]

QUANTITIES = ("mean", "p50", "p95")


@dataclass(frozen=True)
class Bound:
    """A difference that is allowed: a share of the value, or an absolute, whichever is larger."""

    share: float
    absolute: float

    def of(self, value: float) -> float:
        return max(self.share * abs(value), self.absolute)


# of stages, seconds
STAGE_BOUNDS = {
    "mean": Bound(0.03, 0.005),
    "p50": Bound(0.06, 0.010),
    "p95": Bound(0.06, 0.010),
}
HIT_RATIO = Bound(0.0, 0.01)  # and the ratio of requests that went on from a held output
CUT_STEP = Bound(0.02, 0.1)  # steps, mean of the requests
FINISHED = Bound(0.02, 1.0)  # requests of a road
MAPE = 0.05
CORRELATION = 0.98
MATCHED = 0.9  # of the measured requests, where arrivals are open


@dataclass(frozen=True, kw_only=True)
class Figures:
    """One road's figures: each stage's mean, p50 and p95 (s; None of too few requests), hit
    ratio, share of the requests that went on from a held output, mean cut and saved steps of a
    request, mean Q (s), number of finished requests."""

    stages: Mapping[str, Mapping[str, float | None]]
    hit_ratio: float
    partial_ratio: float
    cut_step: float
    saved_steps: float
    queue_s: float
    requests: int


@dataclass(frozen=True, kw_only=True)
class StageError:
    """One stage's figure by the prediction and as measured (s), the signed difference, its bound,
    and the spread of the measurement's repetitions (half the range; None of one)."""

    stage: str
    quantity: str
    predicted: float
    measured: float
    bound: float
    spread: float | None

    @property
    def bias(self) -> float:
        return self.predicted - self.measured

    @property
    def within(self) -> bool:
        return abs(self.bias) <= self.bound


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How far a prediction and its measurement agree at one operating point. `finished`: requests
    of each repetition; `is_open`: whether all roads meet the same requests."""

    predicted: str
    measured: str
    stages: tuple[StageError, ...]
    predicted_figures: Figures
    measured_figures: Figures
    hit_spread: float | None
    pairing: Pairing
    finished: tuple[int, ...]
    is_open: bool

    @property
    def hit_bias(self) -> float:
        return self.predicted_figures.hit_ratio - self.measured_figures.hit_ratio

    @property
    def partial_bias(self) -> float:
        return self.predicted_figures.partial_ratio - self.measured_figures.partial_ratio

    @property
    def cut_bias(self) -> float:
        return self.predicted_figures.cut_step - self.measured_figures.cut_step

    def misses(self) -> list[str]:
        """The bounds that are not kept, a line each. Requests are paired where arrivals are open
        only: closed ones drift apart by what they wait."""
        ours = self.predicted_figures.requests
        if not ours or not all(self.finished):
            return ["a road finished no request: nothing is compared"]
        lines = [
            f"{count} requests were finished, {ours} predicted"
            for count in self.finished
            if abs(count - ours) > FINISHED.of(ours)
        ]
        lines += [
            f"{error.stage} {error.quantity} is off by {1e3 * error.bias:+.0f} ms of "
            f"{1e3 * error.measured:.0f} (bound {1e3 * error.bound:.0f})"
            for error in self.stages
            if not error.within
        ]
        lines += self._misses_of_reuse()
        pairs = self.pairing
        if self.is_open and pairs.matched < MATCHED * pairs.requests:
            lines.append(f"{pairs.matched} of {pairs.requests} measured requests were predicted")
        if pairs.mape is not None and pairs.mape > MAPE:
            lines.append(f"request MAPE is {pairs.mape:.1%} (bound {MAPE:.0%})")
        if pairs.correlation is not None and pairs.correlation < CORRELATION:
            lines.append(f"r of requests is {pairs.correlation:.3f} (bound {CORRELATION:g})")
        return lines

    def _misses_of_reuse(self) -> list[str]:
        """The bounds on hits, resumed trajectories and cuts that are not kept."""
        points = 100 * HIT_RATIO.absolute
        lines = [
            f"{name} ratio is off by {100 * bias:+.1f} points (bound {points:g})"
            for name, bias in (("hit", self.hit_bias), ("partial", self.partial_bias))
            if abs(bias) > HIT_RATIO.absolute + 1e-9
        ]
        measured = self.measured_figures.cut_step
        if abs(self.cut_bias) > CUT_STEP.of(measured):
            lines.append(
                f"the mean cut is off by {self.cut_bias:+.2f} steps of {measured:.2f} "
                f"(bound {CUT_STEP.of(measured):.2f})"
            )
        return lines

    def dict(self) -> dict[str, Any]:
        stages = [{**asdict(error), "bias": error.bias} for error in self.stages]
        return {**asdict(self), "stages": stages, "misses": self.misses()}


def figures(requests: Rows, slots: Rows) -> Figures:
    """The figures of a road's request and slot rows (docs/record.md)."""
    done = [row for row in requests if row["result"] == "done"]
    queues = [slot["queue_s"] for slot in slots if slot["queue_s"] is not None]
    return Figures(
        stages={stage: _quantities(_seconds(done, stage)) for stage in STAGES},
        hit_ratio=_mean([row["reuse"] in HITS for row in done]),
        partial_ratio=_mean([row["reuse"] == "resumed" for row in done]),
        cut_step=_mean([row["cut_step"] or 0 for row in done]),
        saved_steps=_mean([row["saved_steps"] or 0 for row in done]),
        queue_s=_mean(queues),
        requests=len(done),
    )


def agreement(
    predicted: str,
    prediction: tuple[Rows, Rows],
    measured: str,
    repetitions: Sequence[tuple[Rows, Rows]],
    is_open: bool,
) -> Agreement:
    """Compare a prediction's rows (requests, slots) with those of one or more repetitions of a
    measurement: figures are means over the repetitions, requests are paired with each."""
    ours = figures(*prediction)
    theirs = [figures(*rows) for rows in repetitions]
    stages = [
        error
        for stage in STAGES
        for quantity in QUANTITIES
        if (error := _stage_error(stage, quantity, ours, theirs)) is not None
    ]
    return Agreement(
        predicted=predicted,
        measured=measured,
        stages=tuple(stages),
        predicted_figures=ours,
        measured_figures=_average(theirs),
        hit_spread=_spread([one.hit_ratio for one in theirs]),
        pairing=pairing(prediction[0], [rows[0] for rows in repetitions], is_open),
        finished=tuple(one.requests for one in theirs),
        is_open=is_open,
    )


def _stage_error(
    stage: str, quantity: str, ours: Figures, theirs: Sequence[Figures]
) -> StageError | None:
    predicted = ours.stages[stage][quantity]
    values = [v for one in theirs if (v := one.stages[stage][quantity]) is not None]
    if predicted is None or len(values) < len(theirs):
        return None
    measured = float(np.mean(values))
    return StageError(
        stage=stage,
        quantity=quantity,
        predicted=predicted,
        measured=measured,
        bound=STAGE_BOUNDS[quantity].of(measured),
        spread=_spread(values),
    )


def _seconds(done: Rows, stage: str) -> Floats:
    return np.array([row.get(f"{stage}_s") or 0.0 for row in done], np.float64)


def _quantities(values: Floats) -> dict[str, float | None]:
    mean = float(values.mean()) if values.size else None
    return {"mean": mean, "p50": percentile(values, 50), "p95": percentile(values, 95)}


def _average(several: Sequence[Figures]) -> Figures:
    """The means of repetitions' figures."""
    stages = {
        stage: {quantity: _mean_or_none(several, stage, quantity) for quantity in QUANTITIES}
        for stage in STAGES
    }
    return Figures(
        stages=stages,
        hit_ratio=_mean([one.hit_ratio for one in several]),
        partial_ratio=_mean([one.partial_ratio for one in several]),
        cut_step=_mean([one.cut_step for one in several]),
        saved_steps=_mean([one.saved_steps for one in several]),
        queue_s=_mean([one.queue_s for one in several]),
        requests=sum(one.requests for one in several),
    )


def _mean_or_none(several: Sequence[Figures], stage: str, quantity: str) -> float | None:
    values = [one.stages[stage][quantity] for one in several]
    present = [value for value in values if value is not None]
    return _mean(present) if len(present) == len(values) else None


def _mean(values: Sequence[float]) -> float:
    """The mean; 0 of none."""
    return float(np.mean(values)) if len(values) else 0.0


def _spread(values: Sequence[float]) -> float | None:
    """Half the range of repetitions; None of one."""
    return (max(values) - min(values)) / 2 if len(values) > 1 else None
