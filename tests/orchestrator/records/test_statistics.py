"""The two kinds of interval, and percentiles of few values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t

from orchestrator.records import statistics
from orchestrator.records.statistics import BATCHES, batch_means, over_seeds, percentile


def test_over_seeds_it_is_students_t() -> None:
    interval = over_seeds([1.0, 2.0, 3.0])
    assert interval == {"mean": 2.0, "ci95": pytest.approx(t.ppf(0.975, 2) / np.sqrt(3))}
    assert over_seeds([1.0, np.nan]) == {"mean": 1.0, "ci95": None}
    assert over_seeds([]) == {"mean": None, "ci95": None}


def test_within_a_run_it_has_another_name_and_needs_twenty_batches() -> None:
    assert batch_means([]) == {"mean": None, "ci95_batch_means": None}
    assert batch_means([1.0] * 99)["ci95_batch_means"] is None
    values = np.random.default_rng(3).normal(size=100)
    half = batch_means(values)["ci95_batch_means"]
    means = values.reshape(BATCHES, 5).mean(axis=1)
    assert half == pytest.approx(t.ppf(0.975, 19) * means.std(ddof=1) / np.sqrt(20))
    assert pytest.approx(t.ppf(0.975, BATCHES - 1), abs=1e-12) == statistics.T_975
    assert batch_means([2.0] * 100) == {"mean": 2.0, "ci95_batch_means": 0.0}


def correlated(seed: int, count: int, memory: float) -> np.ndarray:
    """A first-order autoregressive series of mean 0 and variance 1."""
    noise = np.random.default_rng(seed).normal(size=count) * np.sqrt(1 - memory**2)
    series = np.empty(count)
    value = np.random.default_rng(seed + 10_000).normal()
    for i in range(count):
        value = memory * value + noise[i]
        series[i] = value
    return series


def test_correlated_requests_do_not_get_the_interval_of_independent_ones() -> None:
    covered = naive = 0
    intervals = []
    for seed in range(200):
        values = correlated(seed, 2000, 0.9)
        mean = float(values.mean())
        half = batch_means(values)["ci95_batch_means"]
        naive += abs(mean) <= 1.96 * values.std(ddof=1) / np.sqrt(values.size)
        if half is not None:
            intervals.append(half)
            covered += abs(mean) <= half
    assert len(intervals) > 150
    assert covered / len(intervals) > 0.88  # of 0.95
    assert naive / 200 < 0.5


def test_a_run_too_short_for_its_memory_says_nothing() -> None:
    none = sum(
        batch_means(correlated(seed, 400, 0.99))["ci95_batch_means"] is None for seed in range(50)
    )
    assert none > 40


def test_percentiles_wait_for_enough_values() -> None:
    values = np.arange(1000.0)
    assert percentile([], 50) is None and percentile([3.0], 50) == 3.0
    assert percentile(values[:89], 95) is None and percentile(values[:90], 95) is not None
    assert percentile(values[:458], 99) is None and percentile(values[:459], 99) is not None
    assert percentile(values, 95) == pytest.approx(np.percentile(values, 95))
