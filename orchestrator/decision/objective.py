"""The objective (33) of P2, written once. Plain Python, so that a run can call it without numba;
`orchestrator.decision.critic` compiles the same two functions for kernels."""

from __future__ import annotations

__all__ = ["TINY", "drift_plus_penalty", "miss_average"]

TINY = 1e-12  # a weight of misses up to which nothing missed


def miss_average(missed_s: float, misses: float) -> float:
    """L_avg of (16), seconds: the sum over what missed by its weight, 0 where nothing did."""
    return missed_s / misses if misses > TINY else 0.0


def drift_plus_penalty(average_s: float, penalty: float, queue_s: float, target_s: float) -> float:
    """(33), seconds squared: Q (L_avg - Lbar) + V L / |A|.

    `average_s` is L_avg of (16), `penalty` V L / |A| with L of (17), `queue_s` Q(t) of (23) and
    `target_s` Lbar.
    """
    return queue_s * (average_s - target_s) + penalty
