"""Points of a curve: a staircase is fitted to what was drawn, at the quality that users ask for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from midstep.wire.messages import Quality
from orchestrator.evaluation.reuse_curve.points import open_rule, sweep

SSIM = [Quality(metric="ssim", floor=floor, share=0.9) for floor in (0.9, 0.7)]


def test_a_staircase_goes_further_where_users_ask_for_less() -> None:
    cosines = np.linspace(0, 1, 101)
    drawn = [
        (step, float(cosine), {"ssim": 0.6 + 0.4 * float(cosine) - 0.01 * step})
        for step in (5, 10)
        for cosine in cosines
    ]
    strict, easy = sweep(["staircase"], ["words"], SSIM, None, 20, {"words": drawn})
    limits = [
        open_rule(point, 20, None).by_similarity(np.array([0.5, 0.99], np.float32)).tolist()
        for point in (strict, easy)
    ]
    assert limits == [[0, 5], [5, 10]]
    assert strict.parameters == "fit=5:0.901242,10:2"  # 2: no cosine is enough


def test_parameters_are_told_in_words() -> None:
    (plain,) = sweep(["fixed"], ["words"], SSIM[:1], None, 20, {})[:1]
    assert plain.parameters == " ".join(f"{key}={value:g}" for key, value in plain.params)
    none_fits = replace(plain, rule="staircase", params=(("fit", ()),))
    assert none_fits.parameters == "fit="
