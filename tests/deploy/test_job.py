"""Submit runs by `ray job submit` to a local head with Ray's token authentication on."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import paced

pytestmark = pytest.mark.ray
RAY = str(Path(sys.executable).parent / "ray")
# A run that starts a Ray of its own lacks these resources.
OFFERS = {
    "midstep-edge": 1,
    "midstep-devices": 1000,
    "only-here": 1,
}
SMALL = (
    "--denoiser",
    "paced",
    "--users",
    "2",
    "--set",
    "slot_seconds=0.5",
    "--set",
    "devices.0.speed_ratio=0.2",
    "--set",
    f"model.profile={paced.profile_file()}",
    "--set",
    "hosts.resources={only-here: 0.1}",
    "--set",
    "report.references=0",
    "--set",
    "report.images=false",
)


@dataclass(frozen=True)
class Head:
    """Ray head: its dashboard's address, its working folder, an environment that may use it."""

    address: str
    folder: Path
    environment: dict[str, str]

    def submit(
        self, *entrypoint: str, name: str = "", token: Path | None = None
    ) -> subprocess.Popen[str]:
        """Start `ray job submit` in a process of its own."""
        environment = (
            {**self.environment, "RAY_AUTH_TOKEN_PATH": str(token)} if token else self.environment
        )
        identity = ["--submission-id", name] if name else []
        return subprocess.Popen(
            [RAY, "job", "submit", "--address", self.address, *identity, "--", *entrypoint],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            cwd=self.folder,
        )


def free_ports(number: int) -> list[int]:
    """Find ports of loopback that are free now."""
    with contextlib.ExitStack() as open_:
        sockets = [open_.enter_context(socket.socket()) for _ in range(number)]
        for socket_ in sockets:
            socket_.bind(("127.0.0.1", 0))
        return [socket_.getsockname()[1] for socket_ in sockets]


def answers(url: str) -> bool:
    """Whether an URL is served."""
    with contextlib.suppress(OSError):
        return bool(urllib.request.urlopen(url, timeout=2).status == 200)
    return False


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    folder = tmp_path_factory.mktemp("head")
    token = folder / "token"
    token.write_text(secrets.token_hex(32))
    scripts = str(Path(sys.executable).parent)
    environment = {
        **os.environ,
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "200",
        "PYTHONUNBUFFERED": "1",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_JOB_STOP_SIGNAL": "SIGINT",
        "RAY_JOB_STOP_WAIT_TIME_S": "120",
    }
    names = (
        "port",
        "dashboard-port",
        "dashboard-agent-listen-port",
        "dashboard-agent-grpc-port",
        "metrics-export-port",
        "ray-client-server-port",
    )
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    # short: Ray's sockets live below it, and their paths must not be long
    temporary = tempfile.mkdtemp(prefix="ray")
    log = (folder / "head.log").open("w")
    process = subprocess.Popen(
        [
            RAY,
            "start",
            "--head",
            "--block",
            "--num-cpus=4",
            "--disable-usage-stats",
            "--node-ip-address=127.0.0.1",
            f"--resources={json.dumps(OFFERS)}",
            "--dashboard-host=127.0.0.1",
            f"--temp-dir={temporary}",
            *(f"--{name}={port}" for name, port in ports.items()),
        ],
        stdout=log,
        stderr=log,
        env=environment,
        cwd=folder,
    )
    address = f"http://127.0.0.1:{ports['dashboard-port']}"
    try:
        end = time.monotonic() + 90
        while not answers(f"{address}/api/gcs_healthz"):
            assert process.poll() is None and time.monotonic() < end, (
                folder / "head.log"
            ).read_text()
            time.sleep(0.2)
        yield Head(address, folder, environment)
    finally:
        process.terminate()  # by its id: `ray stop` would end every Ray of this machine
        try:
            process.wait(45)
        except subprocess.TimeoutExpired:
            process.kill()
        log.close()
        shutil.rmtree(temporary, ignore_errors=True)


def until_progress(job: subprocess.Popen[str]) -> str:
    """Read a job's output up to its first line of progress, which a run prints in its middle."""
    assert job.stdout is not None
    text = ""
    for line in job.stdout:
        text += line
        if "edge queue" in line:
            return text
    raise AssertionError(f"no progress: {text}")


def test_a_run_is_submitted_streams_its_progress_and_ends_with_its_status(head: Head) -> None:
    record = head.folder / "runs" / "first"
    job = head.submit("midstep", "run", "--duration", "4s", *SMALL, "--out", str(record))
    text = until_progress(job)
    assert not (record / "summary.json").exists(), "nothing was streamed: the run is over"
    assert job.stdout is not None
    text += job.stdout.read()
    assert job.wait(60) == 0, text
    assert "report: " in text and "succeeded" in text
    assert (record / "summary.json").exists() and (record / "requests.parquet").exists()


def test_a_job_that_is_stopped_ends_in_order(head: Head) -> None:
    record = head.folder / "runs" / "stopped"
    job = head.submit(
        "midstep", "run", "--duration", "90s", *SMALL, "--out", str(record), name="stopped"
    )
    text = until_progress(job)
    stop = [RAY, "job", "stop", "--address", head.address, "stopped"]
    subprocess.run(stop, env=head.environment, stdout=subprocess.DEVNULL, timeout=100, check=True)
    text += job.communicate(timeout=60)[0]
    assert "requests in flight are awaited" in text
    assert (record / "summary.json").exists(), text


def test_a_missed_threshold_is_the_jobs_failure(head: Head) -> None:
    job = head.submit(
        "midstep",
        "run",
        "--clock",
        "virtual",
        "--duration",
        "10s",
        *SMALL,
        "--set",
        "thresholds={p95_s: {max: 0.001}}",
        "--out",
        str(head.folder / "runs" / "missed"),
    )
    text, _ = job.communicate(timeout=120)
    assert job.returncode == 1, text
    assert "p95_s" in text and "exit code 1" in text


def test_a_wrong_token_is_refused(head: Head) -> None:
    wrong = head.folder / "wrong"
    wrong.write_text(secrets.token_hex(32))
    job = head.submit("midstep", "policies", token=wrong)
    text, _ = job.communicate(timeout=60)
    assert job.returncode != 0
    assert "Invalid authentication token" in text
    assert "submitted successfully" not in text
