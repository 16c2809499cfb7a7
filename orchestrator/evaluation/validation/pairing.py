"""Requests that are the same on two roads, one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Pairing", "Rows", "pairing"]

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Pairing:
    """Requests that both roads finished: `matched` with the same user, number and prompt, of
    `requests` measured, `same_cut` of them cut at the same step; `mape` of their response times and
    their `correlation`, None of too few."""

    matched: int
    same_cut: int
    requests: int
    mape: float | None
    correlation: float | None


def pairing(prediction: Rows, repetitions: Sequence[Rows], is_open: bool) -> Pairing:
    """Pair the finished requests of a prediction with each repetition's, by id and prompt."""
    ours = {row["request_id"]: row for row in prediction if row["result"] == "done"}
    pairs = []
    same_cut = 0
    requests = 0
    for rows in repetitions:
        done = [row for row in rows if row["result"] == "done"]
        requests += len(done)
        matched = [
            (partner, row)
            for row in done
            if (partner := ours.get(row["request_id"])) and partner["prompt"] == row["prompt"]
        ]
        same_cut += sum(partner["cut_step"] == row["cut_step"] for partner, row in matched)
        pairs += [(partner["total_s"], row["total_s"]) for partner, row in matched]
    if not is_open or len(pairs) < 2:
        return Pairing(
            matched=len(pairs), same_cut=same_cut, requests=requests, mape=None, correlation=None
        )
    predicted, measured = np.array(pairs).T
    constant = predicted.std() == 0 or measured.std() == 0
    return Pairing(
        matched=len(pairs),
        same_cut=same_cut,
        requests=requests,
        mape=float(np.mean(np.abs(predicted - measured) / measured)),
        correlation=None if constant else float(np.corrcoef(predicted, measured)[0, 1]),
    )
