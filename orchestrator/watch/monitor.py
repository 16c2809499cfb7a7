"""`midstep run --monitor`: a Prometheus and a Grafana beside the run, provisioned, on loopback, as
long as it lasts.

Neither is needed: what is not on the PATH is taken from Docker; where there is none either, a line
says how to get it.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

import yaml

from midstep.whole_file import write_at_once
from orchestrator.watch import programs
from orchestrator.watch.supervised_process import SupervisedProcess

__all__ = ["FILES", "Monitor", "query"]

# rules, dashboards and provisioning: links to deploy/ in a checkout, files where it is installed
FILES = Path(__file__).parent / "monitoring"
READY_S = 15.0
PULL_S = 120.0
LINGER_S = 5.0
HOST = "127.0.0.1"
# Prometheus listens on every address, and forgets what is 15 days old, where it is not told else
LOOK_AGAIN = f"--storage.tsdb.retention.time=100y --web.listen-address={HOST}:9090"
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback: past http_proxy
NO_PROMETHEUS = (
    "no Prometheus here: apt-get install prometheus (Debian, Ubuntu), brew install prometheus "
    "(macOS), "
    "or start Docker (Linux); the run goes on without"
)
NO_GRAFANA = (
    "no Grafana here: see grafana.com/grafana/download, brew install grafana (macOS), or start "
    f"Docker (Linux); `midstep top` shows the same figures; the dashboards are in "
    f"{FILES / 'dashboards'}"
)


class Monitor:
    """Everything here blocks for seconds at most (a first `docker run` for the time of its
    download) and raises nothing: a run does not fail for want of a picture of it. `start` once,
    `linger` while the exporters are still up, `close` in any case; `start` and `close` return what
    to tell the user, one line each."""

    def __init__(self, run: Path) -> None:
        self._run = run.resolve()
        self._folder = self._run / "prometheus"
        self._started: list[SupervisedProcess] = []
        self._scratch: Path | None = None
        self._lock = threading.Lock()
        self._closed = False
        self.prometheus: str | None = None

    def start(self) -> list[str]:
        """Prometheus, then Grafana."""
        lines = []
        if not (FILES / "prometheus").is_dir():
            return [
                f"--monitor: {FILES} has no rules and dashboards, so that this installation is "
                f"not whole; the run goes on without"
            ]
        try:
            lines.append(self._start_prometheus())
            if self.prometheus is not None:
                lines.append(self._start_grafana(self.prometheus))
        except OSError as error:
            lines.append(f"--monitor: {error}; the run goes on without")
        return lines

    def linger(self) -> None:
        """Wait until every exporter has been scraped once more, `LINGER_S` at most."""
        if self.prometheus is None:
            return
        since = time.time()
        until = time.monotonic() + LINGER_S
        while time.monotonic() < until:
            with contextlib.suppress(OSError, ValueError):
                oldest = query(self.prometheus, 'min(timestamp(up{job="midstep"}))')
                if oldest is None or oldest > since:
                    return
            time.sleep(0.1)

    def close(self) -> list[str]:
        """End what was started."""
        with self._lock:
            self._closed = True
        for program in reversed(self._started):
            program.end()
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
        if self.prometheus is None:
            return []
        self.prometheus = None
        return [
            f"what Prometheus saw is kept: prometheus "
            f"--config.file={self._folder / 'prometheus.yml'} "
            f"--storage.tsdb.path={self._folder / 'data'} {LOOK_AGAIN}"
        ]

    def _start_prometheus(self) -> str:
        program = programs.prometheus()
        if program is None:
            return NO_PROMETHEUS
        self._write_config()
        port = programs.port(9090)
        (self._folder / "data").mkdir(exist_ok=True)
        command = program.command(
            [
                f"--config.file={self._folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={self._folder / 'data'}",
                f"--web.listen-address={HOST}:{port}",
            ],
            folders=[self._run],
        )
        address = f"http://{HOST}:{port}"
        started = self._hold(command, self._folder / "log", {})
        patience = PULL_S if program.pulls else READY_S
        if not _until(lambda: _answers(f"{address}/-/ready"), started, patience):
            started.end()
            return f"{program.name} did not start ({started.last_words()}); the run goes on without"
        self.prometheus = address
        return f"Prometheus at {address} ({program.name}), this run only"

    def _write_config(self) -> None:
        """deploy/prometheus with this run's targets; it stays in the run's folder, where it can be
        read again."""
        self._folder.mkdir(exist_ok=True)
        config = yaml.safe_load((FILES / "prometheus" / "prometheus.yml").read_text())
        for name in config["rule_files"]:
            shutil.copyfile(FILES / "prometheus" / name, self._folder / name)
        config["scrape_configs"][0]["file_sd_configs"][0]["files"] = ["../targets.json"]
        write_at_once(self._folder / "prometheus.yml", yaml.safe_dump(config, sort_keys=False))

    def _start_grafana(self, prometheus: str) -> str:
        program = programs.grafana()
        if program is None:
            return NO_GRAFANA
        # a container that is given a link sees where it leads, and nothing there
        dashboards = (FILES / "dashboards").resolve()
        provisioning = (FILES / "provisioning").resolve()
        self._scratch = Path(tempfile.mkdtemp(prefix="midstep-grafana-"))
        port = programs.port(3000)
        password = secrets.token_urlsafe(12)
        environment = {
            "MIDSTEP_PROMETHEUS": prometheus,
            "MIDSTEP_DASHBOARDS": str(dashboards),
            "GF_PATHS_PROVISIONING": str(provisioning),
            "GF_PATHS_DATA": str(self._scratch / "data"),
            "GF_PATHS_LOGS": str(self._scratch / "logs"),
            "GF_PATHS_PLUGINS": str(self._scratch / "plugins"),
            "GF_SERVER_HTTP_ADDR": HOST,
            "GF_SERVER_HTTP_PORT": str(port),
            "GF_SECURITY_ADMIN_USER": "admin",
            "GF_SECURITY_ADMIN_PASSWORD": password,
            "GF_AUTH_ANONYMOUS_ENABLED": "false",
            "GF_USERS_ALLOW_SIGN_UP": "false",
            "GF_ANALYTICS_REPORTING_ENABLED": "false",
            "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
            "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
            "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": str(dashboards / "overview.json"),
        }
        command = program.command(
            [],
            folders=[dashboards, provisioning, self._scratch],
            variables=list(environment),
        )
        started = self._hold(command, self._scratch / "log", environment)
        # long enough to see that it refuses; ready it is later, and nothing waits for that
        time.sleep(1)
        if not started.alive:
            return f"{program.name} did not start ({started.last_words()}); the run goes on without"
        return (
            f"Grafana at http://{HOST}:{port}/dashboards ({program.name}), user admin, password "
            f"{password}; "
            "it needs some seconds to start"
        )

    def _hold(
        self, command: list[str], log: Path, environment: dict[str, str]
    ) -> SupervisedProcess:
        with self._lock:
            if self._closed:
                raise OSError("the run has ended")
            started = SupervisedProcess(command, log, environment)
            self._started.append(started)
        return started


def query(prometheus: str, expression: str) -> float | None:
    """The first value of an instant query, None where it has none. Raises OSError, ValueError."""
    url = f"{prometheus}/api/v1/query?query={urllib.parse.quote(expression)}"
    with _DIRECT.open(url, timeout=2) as reply:
        result = json.load(reply)["data"]["result"]
    return float(result[0]["value"][1]) if result else None


def _answers(url: str) -> bool:
    with contextlib.suppress(OSError), _DIRECT.open(url, timeout=1) as reply:
        return bool(reply.status == 200)
    return False


def _until(true: Callable[[], bool], program: SupervisedProcess, patience_s: float) -> bool:
    end = time.monotonic() + patience_s
    while program.alive and time.monotonic() < end:
        if true():
            return True
        time.sleep(0.1)
    return False
