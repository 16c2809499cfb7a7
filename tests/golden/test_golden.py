"""What runs, simulations and replays leave is what they left before: to the last bit on the
processor that wrote it.

Another processor's logarithms and matrix products may differ in the last bit: there rules are
compared within 1e-9, and what learns, where one bit may turn a decision, is left out.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from tests.golden.cases import RUNS, SIMULATIONS, play_replay, play_run, play_simulation
from tests.golden.files import read

LEARNS = ("drc", "drc-item", "drc-paper", "dnn", "real")


def differences(golden: Any, value: Any, same_processor: bool, at: str = "") -> list[str]:
    """Where two trees differ. What is new beside the golden columns is no difference."""
    if isinstance(golden, dict) and isinstance(value, dict):
        gone = [f"{at}.{key} is gone" for key in golden if key not in value]
        common = [key for key in golden if key in value]
        return gone + [
            d
            for key in common
            for d in differences(golden[key], value[key], same_processor, f"{at}.{key}")
        ]
    if isinstance(golden, list) and isinstance(value, list):
        if len(golden) != len(value):
            return [f"{at}: {len(golden)} before, {len(value)} now"]
        pairs = enumerate(zip(golden, value, strict=True))
        return [d for i, (a, b) in pairs for d in differences(a, b, same_processor, f"{at}[{i}]")]
    if isinstance(golden, float) and isinstance(value, float) and not same_processor:
        return (
            []
            if math.isclose(golden, value, rel_tol=1e-9, abs_tol=1e-12)
            else [f"{at}: {golden} before, {value}"]
        )
    return [] if golden == value else [f"{at}: {golden!r} before, {value!r} now"]


def new_differences(name: str, value: Any) -> list[str]:
    """Where a value differs from the golden file of that name."""
    golden, same_processor = read(name)
    if not same_processor and isinstance(golden, dict):
        learned = [key for key in golden if key.partition("@")[0] in LEARNS]
        golden = {key: part for key, part in golden.items() if key not in learned}
        if any(part in name for part in ("run-drc", "run-real")):
            pytest.skip("written on another processor, and what it decides may hang on a bit")
    return differences(golden, value, same_processor)


@pytest.mark.parametrize("name", RUNS)
def test_a_run_leaves_the_same_rows(name: str, tmp_path: Path) -> None:
    assert new_differences(f"run-{name}", play_run(name, tmp_path / "run")) == []


@pytest.mark.parametrize("name", SIMULATIONS)
def test_a_simulation_comes_to_the_same_figures(name: str, tmp_path: Path) -> None:
    figures = play_simulation(name, tmp_path / "simulation")
    assert new_differences(f"simulate-{name}", figures) == []


def test_a_replay_counts_the_same_hits(tmp_path: Path) -> None:
    assert new_differences("replay", play_replay(tmp_path / "replay")) == []


def test_a_changed_bit_is_found() -> None:
    rows = {"requests": [{"total_s": 1.0, "reuse": "exact"}]}
    later = {"requests": [{"total_s": math.nextafter(1.0, 2), "reuse": "exact"}]}
    assert differences(rows, rows, True) == []
    assert differences(rows, later, True) and not differences(rows, later, False)
    assert differences(rows, {"requests": []}, False)
