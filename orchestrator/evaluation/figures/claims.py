"""Claims of the paper's section 5, figure by figure, and the verdicts of our numbers on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from orchestrator.evaluation.figures import quality, sweeps
from orchestrator.evaluation.figures.values import Floats, Values
from orchestrator.evaluation.figures.verdicts import (
    IN_FORM,
    NOT,
    POINTS,
    REPRODUCED,
    Finding,
    best,
    clear,
    law,
    middle,
    number,
    trend,
)

__all__ = ["Claim", "all_claims", "loss", "psnr", "reduction", "somewhere"]

COMPACT = "compact"
MODES = "coupled, reactive"
LOSS = 0.03
LOSS_WITHIN = 0.01
PSNR_DB = (20.285, 30.216)
PSNR_STEPS = (1, 6)
PSNR_WITHIN_DB = 2.0
BELOW_NCLDC = 0.2235
BELOW_DNN = 0.2857
DEFAULT_G = 3
LARGE_G = 5
PANELS = {
    "lowest response time": "response_by_slot_ms",
    "highest hit ratio": "hit_ratio",
    "most time saved": "saved_vs_ncldc_ms",
}


@dataclass(frozen=True)
class Claim:
    """One line of the table."""

    figure: str
    claim: str
    paper: str
    finding: Finding
    preset: str = COMPACT
    modes: str = MODES


def all_claims(figures: Mapping[str, Values]) -> list[Claim]:
    """The claims of the figures that are there, in the paper's order; of a sweep only those whose
    policies were run."""
    judged = {
        name: v for name, v in figures.items() if name not in sweeps.SWEEPS or "drc" in v.policies()
    }
    return [claim for name, of in _CLAIMS.items() if name in judged for claim in of(judged[name])]


def loss(values: Values, policy: str) -> Finding:
    """Fig. 5: the mean of the last fifth, whether it came down to it, and the gap to exact P2
    beside it."""
    losses = values.sweep(policy, "loss")
    gap = values.sweep(policy, "gap_to_exact")
    last = max(1, len(losses) // 5)
    known = losses[~np.isnan(losses).any(axis=1)]
    if len(known) < 2 * last:
        return Finding("-", NOT, "too few training steps in so few slots")
    end = known[-last:].mean(axis=0)
    mean, half = middle(end)
    gap_mean, gap_half = middle(gap[-last:].mean(axis=0))
    ours = f"{mean:.3f} ± {half:.2g}; gap to exact P2 {100 * gap_mean:.3g} ± {100 * gap_half:.2g} %"
    if not clear(known[0] - end):
        return Finding(ours, NOT, "the loss does not come down", mean, half)
    if abs(mean - LOSS) <= max(LOSS_WITHIN, half):
        return Finding(
            ours,
            REPRODUCED,
            f"from {known[0].mean():.2f}, within {LOSS_WITHIN} of the paper's",
            mean,
            half,
        )
    return Finding(
        ours, IN_FORM, f"comes down from {known[0].mean():.2f} and settles elsewhere", mean, half
    )


def reduction(values: Values, x: float, rival: str, metric: str) -> Floats:
    """1 - drc / rival, seed by seed."""
    return np.asarray(1 - values.at(x, "drc", metric) / values.at(x, rival, metric))


def somewhere(values: Values) -> Finding:
    """22.35 % at some D_e: the paper does not say at which."""
    means = [float(reduction(values, x, "ncldc", "response_by_slot_ms").mean()) for x in values.x]
    ours = ", ".join(f"{100 * m:.2f} % at {x:g} G" for x, m in zip(values.x, means, strict=True))
    if min(means) - POINTS <= BELOW_NCLDC <= max(means) + POINTS:
        return Finding(ours, REPRODUCED, "the paper's lies among ours")
    if min(means) > 0:
        return Finding(ours, IN_FORM, "below at every capacity, by another share")
    return Finding(ours, NOT, "not below at every capacity")


def psnr(values: Values, policy: str) -> Finding:
    """Fig. 7: dB after the first and the sixth step."""
    first, last = (values.at(m, policy, "psnr_db") for m in PSNR_STEPS)
    rise = trend(values.sweep(policy, "psnr_db")[PSNR_STEPS[0] - 1 : PSNR_STEPS[1]], True, 1, " dB")
    both = (first.mean() - PSNR_DB[0], last.mean() - PSNR_DB[1])
    if max(map(abs, both)) <= PSNR_WITHIN_DB:
        return Finding(
            rise.ours, REPRODUCED, f"both ends within {PSNR_WITHIN_DB:g} dB", rise.mean, rise.ci95
        )
    if rise.verdict == REPRODUCED:
        return Finding(
            rise.ours, IN_FORM, "it rises at every step, at another level", rise.mean, rise.ci95
        )
    return Finding(rise.ours, rise.verdict, rise.reason, rise.mean, rise.ci95)


def _fig5(values: Values) -> list[Claim]:
    settle = "the training loss settles around 0.03 within 3,000 slots"
    return [
        Claim("fig5", f"{settle} (`drc`)", "0.03", loss(values, "drc")),
        Claim("fig5", f"{settle} (`drc-paper`, as printed)", "0.03", loss(values, "drc-paper")),
    ]


def _fig6(values: Values) -> list[Claim]:
    queue, cost = (values.sweep("drc", metric) for metric in ("queue_ms", "system_cost_ms"))
    return [
        Claim(
            "fig6",
            "the system cost is inversely proportional to V",
            "as 1/V",
            law(values.x, cost, -1),
        ),
        Claim("fig6", "the queue is proportional to V", "as V", law(values.x, queue, 1)),
    ]


def _fig7(values: Values) -> list[Claim]:
    what = "PSNR over steps 1 to 6"
    paper = "20.285 to 30.216 dB"
    modes = "20 DDIM steps, guidance 3"
    return [
        Claim(
            "fig7",
            f"{what}, each picture against the one before, as (1) is printed",
            paper,
            psnr(values, quality.CONSECUTIVE),
            quality.MODEL,
            modes,
        ),
        Claim(
            "fig7",
            f"{what}, each picture against the finished one, as the text says",
            paper,
            psnr(values, quality.FINAL),
            quality.MODEL,
            modes,
        ),
    ]


def _fig8(values: Values) -> list[Claim]:
    return [
        _trend(values, "response time rises with the users", "response_by_slot_ms", True),
        _trend(values, "hit ratio rises with the users", "hit_ratio", True),
        _trend(
            values,
            "reduced time cost of all requests rises with the users (the panel)",
            "saved_vs_ncldc_ms",
            True,
        ),
        _trend(
            values,
            "time saved per request rises with the users (the text)",
            "saved_vs_ncldc_per_request_ms",
            True,
        ),
        *_best(values),
    ]


def _fig9(values: Values) -> list[Claim]:
    return [
        _trend(values, "response time falls with S*", "response_by_slot_ms", False),
        _trend(values, "hit ratio falls with S*", "hit_ratio", False),
        *_best(values),
    ]


def _fig10(values: Values) -> list[Claim]:
    rows = [
        _trend(values, "response time falls with the capacity", "response_by_slot_ms", False),
        _trend(values, "hit ratio rises with the capacity", "hit_ratio", True),
    ]
    if "ncldc" in values.policies():
        below = number(
            reduction(values, DEFAULT_G, "ncldc", "response_by_slot_ms"), BELOW_NCLDC, 100, " %"
        )
        anywhere = "response time below NCLDC's, at any capacity (none is named)"
        rows += [
            Claim("fig10", "response time below NCLDC's, at 3 G (the default)", "22.35 %", below),
            Claim("fig10", anywhere, "22.35 %", somewhere(values)),
        ]
    if "dnn" in values.policies():
        request = number(
            reduction(values, LARGE_G, "dnn", "response_per_request_ms"), BELOW_DNN, 100, " %"
        )
        saved = number(
            -reduction(values, LARGE_G, "dnn", "saved_vs_ncldc_per_request_ms"),
            BELOW_DNN,
            100,
            " %",
        )
        rows += [
            Claim("fig10", "time cost of each request below the DNN's, at 5 G", "28.57 %", request),
            Claim(
                "fig10",
                "the same, read as more *reduced* time cost than the DNN's",
                "28.57 %",
                saved,
            ),
        ]
    return [*rows, *_best(values)]


_CLAIMS: dict[str, Callable[[Values], list[Claim]]] = {
    "fig5": _fig5,
    "fig6": _fig6,
    "fig7": _fig7,
    "fig8": _fig8,
    "fig9": _fig9,
    "fig10": _fig10,
}


def _trend(values: Values, claim: str, metric: str, rises: bool) -> Claim:
    scale, unit = (100, " %") if metric == "hit_ratio" else (1, " ms")
    finding = trend(values.sweep("drc", metric), rises, scale, unit)
    return Claim(values.figure, claim, "rises" if rises else "falls", finding)


def _best(values: Values) -> list[Claim]:
    """DRC against the other three, in each panel; nothing where one of them was not run."""
    if not set(sweeps.PAPER) <= set(values.policies()):
        return []
    rows = []
    for panel, metric in PANELS.items():
        rivals = {name: values.sweep(name, metric) for name in sweeps.PAPER if name != "drc"}
        lower = metric == "response_by_slot_ms"
        finding = best(values.x, values.sweep("drc", metric), rivals, lower)
        rows.append(Claim(values.figure, f"DRC has the {panel} of the four", "DRC best", finding))
    return rows
