"""Edge and devices started by hand, as on two real boxes: no Ray, no orchestrator."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import edge_node.__main__
import user_agent.__main__ as devices
from orchestrator.doctor.certs import certs
from tests import paced

PACED = ["--set", "modes.denoiser=paced", "--set", f"model.profile={paced.profile_file()}"]


@pytest.mark.parametrize("secured", [False, True], ids=["plain", "tls"])
def test_two_processes_finish_pictures_and_end_when_told(tmp_path: Path, secured: bool) -> None:
    listen = ["--listen", "127.0.0.1:0"]
    shown = []
    if secured:
        certs(tmp_path / "certs", 2)
        listen, shown = (
            ["--credentials", str(tmp_path / part)] for part in ("certs", "certs/device")
        )
        listen += ["--listen", "0.0.0.0:0"]
    edge = subprocess.Popen(
        [sys.executable, "-m", "edge_node", *listen, *PACED], stdout=subprocess.PIPE, text=True
    )
    try:
        assert edge.stdout is not None
        line = edge.stdout.readline()
        address = re.search(r"on (127\.0\.0\.1|0\.0\.0\.0):(\d+)", line)
        assert address is not None and ("over TLS" in line) == secured, line
        fast = [
            "--set",
            "devices.0.speed_ratio=1",
            "--set",
            "duration_s=3",
            "--set",
            "reuse.share=0.9999",  # of no table: said at the start
            "--users",
            "2",
            "--out",
            str(tmp_path),
        ]
        command = [
            sys.executable,
            "-m",
            "user_agent",
            "--join",
            f"127.0.0.1:{address[2]}",
            *PACED,
            *fast,
        ]
        if secured:
            refused = subprocess.run(command, capture_output=True, text=True, timeout=60)
            assert (
                refused.returncode == 2
                and "speaks TLS" in refused.stderr
                and refused.stderr.count("\n") == 1
            )
        command += shown
        devices = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)
        rows = [json.loads(row) for row in (tmp_path / "requests.jsonl").read_text().splitlines()]
        assert f"{len(rows)} pictures finished" in devices.stdout
        assert devices.stderr.startswith("user_agent: ") and "not measured" in devices.stderr
        assert len(rows) > 3 and {row["result"] for row in rows} == {"done"}
        edge.terminate()
        assert edge.wait(20) == 0
    finally:
        edge.kill()


def test_devices_without_an_edge_say_so(tmp_path: Path) -> None:
    code = (
        "import user_agent.client as c; c.GrpcEdge.describe.__defaults__ = (0.5,)\n"
        f"from user_agent.__main__ import main; raise SystemExit(main(['--join', '127.0.0.1:9', "
        f"*{PACED!r}]))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 3
    assert (
        ended.stderr.count("no edge answers at 127.0.0.1:9") == 1
        and "Traceback" not in ended.stderr
    )


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--join", "127.0.0.1"], "127.0.0.1: write HOST:PORT"),
        (["--join", "127.0.0.1:99999"], "a port is a number from 0 to 65535"),
        (["--join", "127.0.0.1:0"], "give the port that the edge serves on"),
        (["--join", "127.0.0.1:9", "--users", "-1"], "--users -1: give at least 1"),
        (["--join", "127.0.0.1:9", "--users", "0"], "--users 0: give at least 1"),
        (["--join", "127.0.0.1:9", "--first", "-1"], "--first -1: users are numbered from 0"),
        (["--join", "127.0.0.1:9", "--metrics", "here"], "here: write HOST:PORT"),
        (["--join", "127.0.0.1:9", "--out", "{file}"], "cannot be written"),
    ],
)
def test_devices_refuse_bad_options_before_anything_is_loaded(
    options: list[str],
    text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def loaded(*args: object) -> None:
        raise AssertionError("the scenario was read")

    monkeypatch.setattr("midstep.scenario_file.load", loaded)
    (tmp_path / "file").write_text("")
    options = [option.format(file=tmp_path / "file") for option in options]
    assert devices.main(options) == 2
    error = capsys.readouterr().err
    assert text in error and error.count("\n") == 1


@pytest.mark.parametrize("listen", ["127.0.0.1:99999", "127.0.0.1", "localhost"])
def test_an_edge_refuses_an_address_that_is_none(
    listen: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def loaded(*args: object) -> None:
        raise AssertionError("the scenario was read")

    monkeypatch.setattr("midstep.scenario_file.load", loaded)
    assert edge_node.__main__.main(["--listen", listen]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"edge_node: {listen}: ") and error.count("\n") == 1
