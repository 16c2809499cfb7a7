"""benchmarks.link: its arithmetic, and what it says where it may not make namespaces."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from benchmarks import link, link_ends
from midstep.clock import VirtualClock, run_virtual

CASE = link.Case(rate_bps=1e7, nbytes=500_000, frames=3, bucket_bytes=3_200)
COUNTED = 522_900  # 4.58 % of headers


def pair(held_s: float, kernel_s: float) -> link.Pair:
    return link.Pair(held_s=held_s, transfer_s=0.4, kernel_s=kernel_s, counted_bytes=COUNTED)


def test_what_tbf_counts_beyond_the_payload_is_no_difference() -> None:
    """A kernel that is exact takes counted bytes, less its bucket, at the rate."""
    exact_s = 8 * (COUNTED - CASE.bucket_bytes) / CASE.rate_bps
    comparison = link.compare(CASE, [pair(0.4, exact_s)] * 3)
    assert comparison.framing == pytest.approx(0.0458)
    assert comparison.difference == pytest.approx(0, abs=1e-9)
    assert comparison.headers_only == pytest.approx(3_200 / (COUNTED - 3_200))
    assert comparison.payload_bps == pytest.approx(1e7)


def test_a_link_that_is_slower_than_the_kernel_s_shows_by_pairs() -> None:
    """Medians of pairs: the machine is twice as slow for one of them, on both roads."""
    exact_s = 8 * (COUNTED - CASE.bucket_bytes) / CASE.rate_bps
    bucket_s = 8 * CASE.bucket_bytes / CASE.rate_bps
    slow_s = 2 * (exact_s + bucket_s) - bucket_s
    pairs = [pair(0.408, exact_s), pair(0.816, slow_s), pair(0.408, exact_s)]
    assert link.compare(CASE, pairs).difference == pytest.approx(0.02)


def test_a_spread_of_few_frames_is_said_to_be_all_of_them() -> None:
    assert link.quantiles([0.1, 0.2, 0.4]) == "200.00 (100.00 to 400.00; all 3)"
    assert "all" not in link.quantiles([0.1] * 90)


def test_the_held_link_has_the_rate_of_the_case() -> None:
    """Equation (6) with a bandwidth that makes 10 Mbit/s: 500 KB in 0.4 s of virtual time."""

    async def transmit() -> float:
        clock = VirtualClock()
        transfer = await link_ends.held_link(1e7, clock).transmit(500_000)
        return transfer.achieved_s

    assert run_virtual(transmit()) == pytest.approx(0.4)


def test_who_is_not_root_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert link.main([]) == 2
    assert capsys.readouterr().err == (
        "benchmarks.link: network namespaces need root: run it with sudo\n"
    )


def test_missing_tools_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda tool: None)
    assert link.main([]) == 2
    assert "ip and tc: not on this machine; install iproute2" in capsys.readouterr().err


def test_what_the_kernel_refuses_is_said_in_its_own_words_and_nothing_stays(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A stand-in for ip that may list and delete namespaces, and make none."""
    calls = tmp_path / "calls"
    tool = tmp_path / "ip"
    tool.write_text(
        f'#!/bin/sh\necho "$@" >> {calls}\n'
        'case "$2" in add) echo "mount failed: Operation not permitted" >&2; exit 1;; esac\n'
    )
    tool.chmod(0o755)
    (tmp_path / "tc").symlink_to(tool)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert link.main([]) == 2
    assert "mount failed: Operation not permitted" in capsys.readouterr().err
    pid = os.getpid()
    said = calls.read_text().splitlines()
    assert said[-2:] == [
        f"netns delete midstep-link-edge-{pid}",
        f"netns delete midstep-link-device-{pid}",
    ]
