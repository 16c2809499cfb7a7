"""Set up what the tests share: one thread, for equal bits; a paced scenario; the session's Ray."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
# The session's Ray listens on loopback, for this user's runs only.
os.environ["RAY_AUTH_MODE"] = "disabled"

import pytest

from midstep.scenario import Scenario
from midstep.scenario_file import parse
from tests import paced


@pytest.fixture
def scenario() -> Scenario:
    """Small paced scenario in virtual time."""
    return parse(paced.TREE)


@pytest.fixture(scope="session")
def ray_address() -> Iterator[str]:
    """Address of the one Ray of the test session, by which runs join it."""
    environment = {**os.environ, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    head = subprocess.Popen(
        [sys.executable, "-m", "tests.ray_head"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
        env=environment,
    )
    assert head.stdin is not None
    assert head.stdout is not None
    address = head.stdout.readline().strip()
    assert address, "Ray did not start"
    yield address
    head.stdin.close()
    head.wait(30)
