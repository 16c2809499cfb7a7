"""What several rooms of tests share: one thread for bits' sake, a paced world, and the one Ray of the session."""

from __future__ import annotations

import os
from collections.abc import Iterator

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
os.environ["RAY_AUTH_MODE"] = "disabled"  # the session's Ray listens on loopback for this user's runs only

import pytest

from midstep.scenario import Scenario, parse
from tests import paced


@pytest.fixture
def scenario() -> Scenario:
    """A small paced scenario in virtual time."""
    return parse(paced.TREE)


@pytest.fixture(scope="session")
def ray_address() -> Iterator[str]:
    """The one Ray of the test session; runs join it by this address."""
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    import ray

    context = ray.init(num_cpus=16, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield context.address_info["gcs_address"]
    ray.shutdown()
