"""What several rooms of tests share: one thread for bits' sake, a paced world, and the one Ray of
the session."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
os.environ["RAY_AUTH_MODE"] = (
    "disabled"  # the session's Ray listens on loopback for this user's runs only
)

import pytest

from midstep.scenario import Scenario
from midstep.scenario_file import parse
from tests import paced


@pytest.fixture
def scenario() -> Scenario:
    """A small paced scenario in virtual time."""
    return parse(paced.TREE)


@pytest.fixture(scope="session")
def ray_address() -> Iterator[str]:
    """The one Ray of the test session; runs join it by this address."""
    environment = {**os.environ, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    head = subprocess.Popen(
        [sys.executable, "-m", "tests.ray_head"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
        env=environment,
    )
    assert head.stdin is not None and head.stdout is not None
    address = head.stdout.readline().strip()
    assert address, "Ray did not start"
    yield address
    head.stdin.close()
    head.wait(30)
