"""Every verdict can come out, and none comes out that the numbers do not say."""

from __future__ import annotations

import numpy as np
import pytest

from orchestrator.evaluation.figures import claims
from orchestrator.evaluation.figures.values import Floats, Values
from orchestrator.evaluation.figures.verdicts import (
    IN_FORM,
    NOT,
    REPRODUCED,
    best,
    law,
    number,
    trend,
)

NOISE = np.array([-0.001, 0.0, 0.002, -0.001])  # of four seeds


def rows(*means: float, noise: float = 1.0) -> Floats:
    """(points, seeds)."""
    return np.array(means)[:, None] + noise * NOISE


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [(0.22, REPRODUCED), (0.24, REPRODUCED), (0.25, IN_FORM), (0.12, IN_FORM), (-0.2, NOT)],
)
def test_a_number_is_near_or_of_the_same_sign_or_neither(ours: float, verdict: str) -> None:
    assert number(ours + NOISE, 0.2235, 100, " %").verdict == verdict


def test_a_number_is_reproduced_within_a_wide_interval_and_refused_where_that_holds_0() -> None:
    assert number(0.3 + 60 * NOISE, 0.2235, 100, " %").verdict == REPRODUCED
    finding = number(0.01 + 10 * NOISE, 0.2235, 100, " %")
    assert finding.verdict == NOT and "holds 0" in finding.reason
    assert number(np.array([np.nan]), 0.2, 1, "").verdict == NOT


def test_the_interval_is_students() -> None:
    """Half-width for seeds 1, 2, 3: t(0.975, 2) / sqrt(3) = 4.30265 / 1.73205."""
    assert number(np.array([1.0, 2.0, 3.0]), 2.0, 1, "").ci95 == pytest.approx(2.48414, abs=1e-4)


@pytest.mark.parametrize(
    ("means", "rises", "verdict"),
    [
        ((1, 2, 3), True, REPRODUCED),
        ((3, 2, 1), False, REPRODUCED),
        ((1, 0.5, 3), True, IN_FORM),
        ((1, 2, 3), False, NOT),
        ((1, 2, 1), True, NOT),
    ],
)
def test_a_trend_goes_there_at_every_step_or_over_the_range_or_not(
    means: tuple[float, ...], rises: bool, verdict: str
) -> None:
    noise = np.array(means, float)[:, None] + np.random.default_rng(1).normal(0, 1e-3, (3, 4))
    assert trend(noise, rises, 1, " ms").verdict == verdict


def test_a_trend_may_stay_level() -> None:
    finding = trend(np.array([[1.0, 1.1], [2.0, 2.1], [2.0, 2.1]]), True, 1, " ms")
    assert (finding.verdict, finding.reason) == (
        REPRODUCED,
        "rises at 1 of 2 steps, level at the rest",
    )


@pytest.mark.parametrize(
    ("power", "verdict"), [(-1.0, REPRODUCED), (-1.2, REPRODUCED), (-0.3, IN_FORM), (0.5, NOT)]
)
def test_a_law_is_its_exponent(power: float, verdict: str) -> None:
    x = [1000.0, 1500.0, 2000.0]
    assert law(x, (np.array(x) ** power)[:, None] * (1 + NOISE[None]), -1).verdict == verdict


def test_best_needs_every_rival_at_every_point() -> None:
    mine = rows(10, 9, 8)
    x = [1.0, 2.0, 3.0]
    assert (
        best(x, mine, {"oo": mine + 1 + NOISE, "dnn": mine + 2}, lower=True).verdict == REPRODUCED
    )
    finding = best(x, mine, {"oo": mine + rows(2, 2, -1, noise=0), "dnn": mine + 2}, lower=True)
    assert (
        finding.verdict == IN_FORM
        and finding.reason.endswith("but behind oo at 3")
        and "dnn" not in finding.reason
    )
    assert best(x, mine, {"oo": mine - 1, "dnn": mine + 2}, lower=True).verdict == NOT
    assert best(x, mine, {"oo": mine - 1, "dnn": mine - 2}, lower=False).verdict == REPRODUCED
    finding = best(x, mine, {"oo": mine}, lower=True)
    assert (finding.verdict, finding.reason) == (NOT, "level with oo at 1, 2, 3")


def test_best_is_compared_seed_by_seed() -> None:
    """Seeds differ by 5, policies by 0.1 in each: unpaired, nothing could be told."""
    seeds = np.array([[0.0, 5.0, 10.0, 15.0]])
    assert best([1.0], seeds, {"oo": seeds + 0.1 + NOISE}, lower=True).verdict == REPRODUCED


def convergence(loss: list[float]) -> Values:
    points = [{"drc": {"loss": list(v + NOISE), "gap_to_exact": [0.1] * 4}} for v in loss]
    return Values("fig5", 4, 3000, [50.0 * (i + 1) for i in range(len(loss))], points)


def test_fig_5_settles_there_or_elsewhere_or_rises() -> None:
    assert claims.loss(convergence([0.7, 0.3, 0.1, 0.05, 0.03]), "drc").verdict == REPRODUCED
    finding = claims.loss(convergence([0.7, 0.5, 0.4, 0.3, 0.3]), "drc")
    assert finding.verdict == IN_FORM and "gap to exact P2 10" in finding.ours
    assert claims.loss(convergence([0.1, 0.2, 0.3, 0.3, 0.3]), "drc").verdict == NOT
    assert claims.loss(convergence([np.nan]), "drc").verdict == NOT


def test_fig_7_is_near_or_rises_elsewhere_or_falls() -> None:
    def verdict_of(first: float, step: float) -> str:
        points = [{"x": {"psnr_db": list(first + step * m + NOISE)}} for m in range(6)]
        return claims.psnr(Values("fig7", 4, 20, [1.0, 2, 3, 4, 5, 6], points), "x").verdict

    assert [verdict_of(20.5, 2), verdict_of(8, 0.3), verdict_of(40, -1)] == [
        REPRODUCED,
        IN_FORM,
        NOT,
    ]


def fig10(drc: float) -> Values:
    def point(g: int) -> dict[str, dict[str, list[float]]]:
        def metrics(ms: float) -> dict[str, list[float]]:
            names = (
                "response_by_slot_ms",
                "response_per_request_ms",
                "saved_vs_ncldc_ms",
                "saved_vs_ncldc_per_request_ms",
                "hit_ratio",
            )
            return {m: list((ms if "resp" in m else 200 - ms) + NOISE * (1 + g)) for m in names}

        return {
            "ncldc": metrics(100),
            "oo": metrics(95),
            "dnn": metrics(90),
            "drc": metrics(drc - g),
        }

    return Values("fig10", 4, 100, [1.0, 2, 3, 4, 5], [point(g) for g in range(1, 6)])


def test_fig_10_reads_22_35_at_3_g_and_28_57_against_the_dnn_at_5_g() -> None:
    findings = {claim.claim: claim.finding for claim in claims.all_claims({"fig10": fig10(80.65)})}
    below = findings["response time below NCLDC's, at 3 G (the default)"]
    assert below.verdict == REPRODUCED and below.mean == pytest.approx(0.2235, abs=1e-6)
    request = findings["time cost of each request below the DNN's, at 5 G"]
    assert request.verdict == IN_FORM and request.mean == pytest.approx(1 - 75.65 / 90, abs=1e-4)
    panels = ("lowest response time", "highest hit ratio", "most time saved")
    assert {findings[f"DRC has the {panel} of the four"].verdict for panel in panels} == {
        REPRODUCED
    }
    worse = {
        claim.claim: claim.finding.verdict for claim in claims.all_claims({"fig10": fig10(120)})
    }
    assert worse["response time below NCLDC's, at any capacity (none is named)"] == NOT
    assert worse["DRC has the lowest response time of the four"] == NOT
