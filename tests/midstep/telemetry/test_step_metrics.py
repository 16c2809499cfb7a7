"""Metrics of the step, as an exporter gives them."""

from __future__ import annotations

import math

from midstep.telemetry.metrics import REGISTRY, STEPS
from midstep.telemetry.writers import EdgeMetrics, LearnerMetrics


def sample(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"midstep_{name}", labels)


def test_each_step_of_a_short_schedule_has_its_own_bucket() -> None:
    metrics = EdgeMetrics("buckets")
    assert sample("cut_step_count", edge="buckets") == 0  # there from the start
    for cut in (0, 6, 6, 20):
        metrics.handed_over(cut, 20, edge_steps=min(cut, 4), saved_steps=cut - min(cut, 4))
    below = [sample("cut_step_bucket", edge="buckets", le=f"{float(le)}") for le in STEPS[:21]]
    assert below == [1] * 6 + [3] * 14 + [4]
    assert sample("cut_step_sum", edge="buckets") == 32
    assert sample("reuse_limit_sum", edge="buckets") == 80
    assert sample("edge_steps_total", edge="buckets") == 12
    assert sample("saved_steps_total", edge="buckets") == 20


def test_a_plan_says_its_targets_and_the_price_of_edge_time() -> None:
    metrics = LearnerMetrics("priced")
    price = sample("edge_step_price_seconds", edge="priced")
    assert price is not None and math.isnan(price)  # no plan yet: never a 0 that looks measured
    metrics.targets(12, 0.004)
    assert sample("plan_targets", edge="priced") == 12
    assert sample("edge_step_price_seconds", edge="priced") == 0.004
