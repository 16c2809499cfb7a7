"""`--monitor` starts the right programs with the right arguments, and none outlives the run.

Grafana is a script here that writes down how it was called: a test of our arguments, not of it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, start_http_server

from orchestrator.watch import programs
from orchestrator.watch.monitor import Monitor, query
from orchestrator.watch.supervised_process import SupervisedProcess
from tests.orchestrator.cluster.live_run import PACED, live

# Answers /-/ready at the address of its command line, as Prometheus does.
_FAKE_PROMETHEUS = f"""#!{sys.executable}
import http.server, sys
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *words): pass
option = next(word for word in sys.argv if word.startswith("--web.listen-address="))
host, port = option.split("=")[1].split(":")
http.server.HTTPServer((host, int(port)), Ready).serve_forever()
"""
_FAKE_GRAFANA = f"""#!{sys.executable}
import os, sys, time
settings = [f"{{k}}={{v}}" for k, v in sorted(os.environ.items()) if k[:3] in ("GF_", "MID")]
with open(os.environ["CALL"] + ".tmp", "w") as out:
    print(*sys.argv[1:], *settings, sep="\\n", file=out)
os.replace(os.environ["CALL"] + ".tmp", os.environ["CALL"])
time.sleep(60)
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Puts programs on a PATH that has no others, and returns the run's folder."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("CALL", str(tmp_path / "call"))
    (tmp_path / "bin").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "targets.json").write_text("[]\n")

    def put(**scripts: str) -> Path:
        for name, text in scripts.items():
            file = tmp_path / "bin" / name
            file.write_text(text)
            file.chmod(0o755)
        return tmp_path / "run"

    return put


def until(true: Callable[[], object], what: str) -> None:
    """Wait until a condition is true, ten seconds at most."""
    for _ in range(100):
        if true():
            return
        time.sleep(0.1)
    raise AssertionError(what)


def gone(pid: int) -> bool:
    """Whether a process has ended."""
    try:
        return "Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True


def test_with_neither_a_line_says_how_to_get_them_and_nothing_is_left(
    path: Callable[..., Path],
) -> None:
    run = path()
    monitor = Monitor(run)
    (line,) = monitor.start()
    assert "apt-get install prometheus" in line
    assert "the run goes on" in line
    monitor.linger()
    assert monitor.close() == []
    assert [file.name for file in run.iterdir()] == ["targets.json"]


def test_without_its_files_a_line_says_so(
    path: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.watch.monitor.FILES", Path("nowhere"))
    (line,) = Monitor(path(prometheus=_FAKE_PROMETHEUS)).start()
    assert "has no rules and dashboards" in line


def test_a_prometheus_that_does_not_start_is_one_line_with_its_words(
    path: Callable[..., Path],
) -> None:
    monitor = Monitor(path(prometheus="#!/bin/sh\necho hello\necho it is broken >&2\nexit 1\n"))
    (line,) = monitor.start()
    assert "did not start (it is broken); the run goes on" in line
    assert monitor.close() == []


def test_without_a_grafana_prometheus_is_started_all_the_same(path: Callable[..., Path]) -> None:
    monitor = Monitor(path(prometheus=_FAKE_PROMETHEUS))
    first, second = monitor.start()
    assert re.match(r"Prometheus at http://127\.0\.0\.1:\d+ ", first)
    assert second.startswith("no Grafana here: ")
    (line,) = monitor.close()
    assert "--storage.tsdb.path=" in line


def test_grafana_gets_its_provisioning_loopback_and_a_password_of_its_own(
    path: Callable[..., Path],
) -> None:
    run = path(prometheus=_FAKE_PROMETHEUS, grafana=_FAKE_GRAFANA)
    passwords = set()
    for _ in range(2):
        call = run.parent / "call"
        monitor = Monitor(run)
        first, second = monitor.start()
        until(call.is_file, "the fake Grafana was not started")
        words = call.read_text().splitlines()
        call.unlink()
        assert monitor.close()
        assert words[0] == "server"
        settings = dict(
            word.split("=", 1) for word in words if word.startswith(("GF_", "MIDSTEP_"))
        )
        address = re.search(r"(http://\S+) .*, this run only", first)
        assert address is not None
        assert settings["MIDSTEP_PROMETHEUS"] == address[1]
        assert f"Grafana at http://127.0.0.1:{settings['GF_SERVER_HTTP_PORT']}/dashboards" in second
        assert settings["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"
        assert settings["GF_AUTH_ANONYMOUS_ENABLED"] == "false"
        password = settings["GF_SECURITY_ADMIN_PASSWORD"]
        assert len(password) >= 16
        assert f"user admin, password {password};" in second
        passwords.add(password)
        provisioning = Path(settings["GF_PATHS_PROVISIONING"])
        assert (provisioning / "datasources" / "prometheus.yaml").is_file()
        assert (Path(settings["MIDSTEP_DASHBOARDS"]) / "overview.json").is_file()
        assert Path(settings["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]).is_file()
        accounts = Path(settings["GF_PATHS_DATA"])
        assert not accounts.parent.exists(), "its accounts do not outlive it"
    assert len(passwords) == 2


def test_grafana_gets_the_folder_of_its_own_files(path: Callable[..., Path]) -> None:
    run = path(grafana=_FAKE_GRAFANA)
    assert programs.grafana() is not None
    home = run.parent / "share" / "grafana"
    (home / "conf").mkdir(parents=True)
    (home / "conf" / "defaults.ini").touch()
    program = programs.grafana()
    assert program is not None
    assert program.command([], [])[1:] == ["server", f"--homepath={home}"]


@pytest.mark.skipif(
    sys.platform != "linux", reason="Docker has the machine's own network on Linux only"
)
def test_docker_where_nothing_is_installed_and_no_password_on_its_command_line(
    path: Callable[..., Path],
) -> None:
    path(docker="#!/bin/sh\nexit 1\n")
    assert programs.prometheus() is None, "a docker without its daemon is none"
    path(docker="#!/bin/sh\nexit 0\n")
    prometheus = programs.prometheus()
    grafana = programs.grafana()
    assert prometheus is not None
    assert grafana is not None
    assert grafana.pulls
    command = grafana.command([], [Path("/a")], ["GF_SECURITY_ADMIN_PASSWORD"])
    assert command[:4] == ["docker", "run", "--rm", "--network=host"]
    assert command[-1] == programs.IMAGES["grafana"]
    assert "--volume=/a:/a" in command
    assert not any("PASSWORD=" in word for word in command)
    assert prometheus.command(["--x"], [])[-2:] == [programs.IMAGES["prometheus"], "--x"]


def test_a_taken_port_is_passed_over() -> None:
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        number = listener.getsockname()[1]
        assert programs.port(number) not in (number, 0)


def _child(tmp_path: Path) -> list[str]:
    """Command of a program that writes down its process id and runs for a minute."""
    return [
        sys.executable,
        "-c",
        f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); "
        f"time.sleep(60)",
    ]


def _pid(tmp_path: Path) -> int:
    until(
        lambda: (tmp_path / "pid").is_file() and (tmp_path / "pid").read_text(),
        "the program did not start",
    )
    return int((tmp_path / "pid").read_text())


def test_a_supervised_process_ends_with_its_run_and_is_not_its_terminals(tmp_path: Path) -> None:
    program = SupervisedProcess(_child(tmp_path), tmp_path / "log")
    pid = _pid(tmp_path)
    assert program.alive
    assert os.getsid(pid) != os.getsid(0), "a Ctrl-C in the terminal would end it before the run"
    program.end()
    assert gone(pid)
    assert not program.alive


def test_a_supervised_process_does_not_outlive_a_run_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from orchestrator.watch.supervised_process import SupervisedProcess\n"
        f"program = SupervisedProcess({_child(tmp_path)!r}, Path({str(tmp_path / 'log')!r}))\n"
        "time.sleep(60)\n"
    )
    run = subprocess.Popen([sys.executable, "-c", code])
    pid = _pid(tmp_path)
    assert not gone(pid)
    run.send_signal(signal.SIGKILL)
    run.wait()
    until(lambda: gone(pid), "the program lives on")


@pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="no prometheus here: apt-get install prometheus"
)
def test_what_is_counted_last_is_scraped_before_the_exporters_go(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    counter = Counter("counted", "Anything.", registry=registry)
    server, _ = start_http_server(0, "127.0.0.1", registry)
    target = {"targets": [f"127.0.0.1:{server.server_port}"], "labels": {"job": "midstep"}}
    (tmp_path / "targets.json").write_text(json.dumps([target]))
    monitor = Monitor(tmp_path)
    try:
        monitor.start()
        address = monitor.prometheus
        assert address is not None
        until(lambda: query(address, "counted_total") == 0, "Prometheus has not seen the exporter")
        counter.inc(7)
        monitor.linger()
        server.shutdown()
        server.server_close()
        assert query(address, "max_over_time(counted_total[1m])") == 7
    finally:
        monitor.close()


def test_virtual_time_has_nothing_to_look_at(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from orchestrator.cli import main

    assert main(["run", "--clock", "virtual", "--monitor", "--out", str(tmp_path / "run")]) == 2
    assert "in virtual time there is nothing to look at" in capsys.readouterr().err


@pytest.mark.ray
def test_a_run_that_ends_at_once_stops_its_prometheus_too(ray_address: str, tmp_path: Path) -> None:
    if shutil.which("prometheus") is None:
        pytest.skip("no prometheus here: apt-get install prometheus")
    with live(tmp_path / "run", ray_address, *PACED, "--duration", "300s", "--monitor") as running:
        running.until_requests(5)
        processes = running.until(lambda: _prometheus_of(running.folder), "its Prometheus")
        running.signal(signal.SIGINT)
        running.until(lambda: "again to stop at once" in running.text(), "its answer to a Ctrl-C")
        running.signal(signal.SIGINT)
        assert running.end(60) == 130
        assert "what Prometheus saw is kept" in running.text()
    assert all(gone(pid) for pid in processes)


def _prometheus_of(run: Path) -> list[int]:
    """Find the processes that were started with this run's configuration."""
    pids = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_text()
        except OSError:
            continue
        if f"{run}/prometheus/prometheus.yml" in words:
            pids.append(int(process.name))
    return pids


def test_a_prometheus_on_loopback_is_not_asked_through_a_proxy() -> None:
    """The proxy comes from the environment when urllib is loaded: a process of its own shows it."""
    code = (
        "import http.server, threading\n"
        "from orchestrator.watch import monitor\n"
        "class Answers(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.send_response(200); self.end_headers()\n"
        '        self.wfile.write(b\'{"data": {"result": [{"value": [0, "3"]}]}}\')\n'
        "    def log_message(self, *words): pass\n"
        "server = http.server.HTTPServer(('127.0.0.1', 0), Answers)\n"
        "threading.Thread(target=server.serve_forever, daemon=True).start()\n"
        "print(monitor.query(f'http://127.0.0.1:{server.server_port}', 'up'))\n"
    )
    clean = {k: v for k, v in os.environ.items() if k.lower() != "no_proxy"}
    environment = {**clean, "http_proxy": "http://127.0.0.1:9"}
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60
    )
    assert ended.stdout.strip() == "3.0", ended.stderr
