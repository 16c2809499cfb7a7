"""Bad input: one clear line, and the exit status that scripts rely on."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from midstep import scenario_file
from midstep.diffusion.profile import BUSY
from midstep.scenario_file import parse
from orchestrator.cli import main, parser
from orchestrator.commands.options import load_scenario
from orchestrator.live.launch import Options
from orchestrator.live.run import run
from orchestrator.live.signals import _interrupt, interruptible
from tests import paced


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--set", "modell.steps=3"], "modell: unknown key; did you mean model?"),
        (["run", "--model", "./nowhere"], "no folder ./nowhere"),
        (["run", "--policy", "lur"], "no policy 'lur'; did you mean lru? There is"),
        (["run", "--policy", "bayes"], "policy.name: bayes needs the true request rates"),
        (
            ["run", "--set", "policy.timing=reactive"],
            "policy.timing: reactive plans for requests that wait",
        ),
        (
            ["run", "--resume", "no-such-run"],
            "--resume no-such-run: no learner's state is in there",
        ),
        (["run", "--duration", "soon"], "'soon' is not a duration such as 60s"),
        (["run", "--duration", "-5s"], "duration_s: '-5s' is not a duration such as 60s"),
        (["run", "--duration", "0"], "duration_s: Input should be greater than 0"),
        (["run", "--prompts", "missing.txt"], "missing.txt: there is no such file"),
        (["run", "--prompts", "."], " is a folder; a text file or a table is wanted"),
        (["simulate", "my.yaml"], "there is no such file as my.yaml; presets are literal"),
        (["run", "no-such-scenario"], "crowd, faults, laptop"),
        (["run", "--users", "0"], "--users 0: give 1 to 1000000"),
        (["run", "--users", "1000000000"], "--users 1000000000: give 1 to 1000000"),
        (["run", "--users", "9" * 4000], "--users a number of more than 19 digits"),
        (["run", "--set", "devices=[]", "--users", "5"], "devices: at least one class is needed"),
        (["run", "--resume", ""], "--resume: nothing is given"),
        (["run", "--clock", "virtual", "--time-scale", "60"], "modes.time_scale: virtual time"),
        (
            ["run", "--clock", "virtual", "--address", "auto"],
            "--address: modes.wire is inprocess",
        ),
        (
            ["run", "--wire", "inprocess", "--credentials", "x"],
            "--credentials: modes.wire is inprocess",
        ),
        (["run", "--clock", "virtual", "--monitor"], "--monitor: in virtual time"),
        (
            ["run", "--set", "thresholds={p95: {max: 8}}"],
            "thresholds.p95: a run has no such metric; did you mean p95_s? There is response_ms, ",
        ),
        (
            ["run", "--denoiser", "paced", "--set", "thresholds={psnr_db: {min: 20}}"],
            "thresholds.psnr_db: this run compares no pictures",
        ),
        (["scale", "no-such-run", "--users", "3"], "no run is in there"),
        (["scale", "r" * 300, "--users", "3"], "File name too long"),
        (["top", "--interval", "soon"], "--interval 'soon' is not a duration"),
        (
            ["run", "--users", "3000", "--set", "hosts.devices_per_host=1"],
            "raise hosts.devices_per_host",
        ),
        (["scenario", "show", "--set", "edges.0.queue_limit=0"], "greater than or equal to 1"),
        (["report", "no-such-run"], "no run is in there"),
        (["calibrate", "--batches", "none"], "give numbers above 0"),
        (["calibrate", "--most", "5"], "--most belongs to --reuse"),
        (["calibrate", "--least", "5"], "--least belongs to --reuse"),
        (["calibrate", "--reuse", "--least", "9", "--most", "5"], "--least 9 is more than --most"),
        (["calibrate", "--reuse", "--set", "modes.denoiser=paced"], "computes no pictures"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    lines = [
        line
        for line in capsys.readouterr().err.splitlines()
        if line.startswith("midstep: ") and message in line
    ]
    assert len(lines) == 1


def paced_run(tmp_path: Path, *settings: str) -> list[str]:
    out = str(tmp_path / "run")
    options = [x for setting in settings for x in ("--set", setting)]
    return [
        "run",
        "--denoiser",
        "paced",
        "--set",
        f"model.profile={paced.profile_file()}",
        "--out",
        out,
        *options,
    ]


def test_a_capacity_below_one_output_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*paced_run(tmp_path, "edges.0.capacity=5KB"), "--clock", "virtual"]) == 2
    printed = capsys.readouterr().err
    assert (
        "edges.N.capacity of edge-0: 5000 bytes cannot hold one output of this model (8192 bytes)"
        in printed
    )
    assert not (tmp_path / "run").exists()


def test_a_profile_that_is_none_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "p.json").write_text("{}")
    assert (
        main([*paced_run(tmp_path, f"model.profile={tmp_path / 'p.json'}"), "--clock", "virtual"])
        == 2
    )
    assert "is no step profile" in capsys.readouterr().err


def test_a_profile_of_a_busy_machine_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replace(paced.PROFILE, measured_on=f"x86_64{BUSY}").save(tmp_path / "p.json")
    command = [*paced_run(tmp_path, f"model.profile={tmp_path / 'p.json'}"), "--clock", "virtual"]
    assert main([*command, "--duration", "1s"]) == 0
    line = "p.json was measured while its machine was busy (x86_64, busy)"
    assert line in capsys.readouterr().err


def test_an_edge_alone_says_that_its_port_is_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    from edge_node.__main__ import main as edge_main

    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        listen = f"127.0.0.1:{busy.getsockname()[1]}"
        settings = [
            "--set",
            "modes.denoiser=paced",
            "--set",
            f"model.profile={paced.profile_file()}",
        ]
        assert edge_main(["--listen", listen, *settings]) == 2
    assert f"{listen} cannot be listened on" in capsys.readouterr().err


def test_policies_and_scenarios_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policies"]) == 0 and main(["scenarios"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("none", "final", "lru", "lfu", "laptop"))


@pytest.mark.parametrize("command", ["run", "simulate"])
def test_a_model_that_is_no_tree_is_one_line(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "m.yaml").write_text("model: foo\n")
    extra = ["--clock", "virtual"] if command == "run" else []
    assert main([command, str(tmp_path / "m.yaml"), *extra]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_damaged_record_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "scenario.yaml").write_text("name: x\n")
    (tmp_path / "requests.parquet").write_bytes(b"PAR1 no more")
    assert main(["report", str(tmp_path)]) == 2
    assert "requests.parquet: cannot be read" in capsys.readouterr().err


def test_a_head_that_nobody_is_at_is_one_line_at_once_and_leaves_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(
            [
                "run",
                "--denoiser",
                "paced",
                "--address",
                "127.0.0.1:1",
                "--out",
                str(tmp_path / "run"),
            ]
        )
        == 2
    )
    lines = [line for line in capfd.readouterr().err.splitlines() if "--address" in line]
    assert len(lines) == 1 and "nobody answers at 127.0.0.1:1" in lines[0]
    assert not list(tmp_path.iterdir())  # else `midstep top` would take it for the newest run


def test_an_interrupted_command_is_status_130_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(scenario_file, "read", interrupted)
    for arguments in (["run"], ["calibrate"], ["doctor"]):
        assert main(arguments) == 130
        assert capsys.readouterr().err == "midstep: interrupted\n"


def test_sigterm_does_what_ctrl_c_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def terminated(*arguments: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("it was not interrupted")

    outside = signal.signal(signal.SIGTERM, signal.SIG_IGN)  # so that a failure kills no test
    try:
        monkeypatch.setattr(scenario_file, "read", terminated)
        for arguments in (["simulate", "saturated"], ["validate"], ["run"]):
            assert main(arguments) == 130
            assert capsys.readouterr().err == "midstep: interrupted\n"
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
        with interruptible():
            options = Options(out=str(tmp_path / "run"), quiet=True, report=False)
            assert run(parse(paced.tree(duration_s=2)), options) == 0
            left = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
        assert left == [_interrupt, _interrupt], "an event loop has left its own"
    finally:
        signal.signal(signal.SIGTERM, outside)


def test_an_interruption_that_python_ignores_while_it_imports_is_not_lost(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from orchestrator.live import run as runs

    def check(*arguments: Any) -> Any:
        with contextlib.suppress(KeyboardInterrupt):  # as in a callback of the import system
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(10)
        return really(*arguments)

    really = runs.check
    monkeypatch.setattr(runs, "check", check)
    assert main([*paced_run(tmp_path), "--clock", "virtual"]) == 130
    assert "stopped before the run began" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interruption_inside_the_import_system_waits_until_it_is_left() -> None:
    """An exception there is dropped, or leaves a lock that another thread then waits for."""
    code = compile(
        "def inside(call):\n    call()\n    return 'not interrupted in there'\n",
        "<frozen importlib._bootstrap>",
        "exec",
    )
    names: dict[str, Any] = {}
    exec(code, names)

    # the handler sees the frame that calls, as it would see the import system's
    def call() -> None:
        frame = sys._getframe(1)
        _interrupt(signal.SIGINT, frame)

    with pytest.raises(KeyboardInterrupt), interruptible():
        assert names["inside"](call) == "not interrupted in there"
        end = time.process_time() + 10
        while time.process_time() < end:
            pass
    assert signal.getsignal(signal.SIGVTALRM) is signal.SIG_DFL


def test_help_says_the_exit_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(["--help"])
    assert done.value.code == 0
    assert "130 interrupted" in " ".join(capsys.readouterr().out.split())


def test_a_start_imports_nothing_before_the_command_can_be_interrupted() -> None:
    code = (
        "import sys; import orchestrator.cli; heavy = {'midstep', 'pydantic', 'yaml', 'numpy'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_simulations_use_one_thread_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "")  # so that it is put back
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setenv("MKL_NUM_THREADS", "3")
    main(["simulate", "no-such-preset"])
    assert (os.environ["OMP_NUM_THREADS"], os.environ["MKL_NUM_THREADS"]) == ("1", "3")


def test_another_model_leaves_the_scenarios_profile_behind(tmp_path: Path) -> None:
    """It has the times of the model that ships it, unless the other ships one of that name."""
    model = str(tmp_path)
    (tmp_path / "model_index.json").write_text("{}")

    def profile(*arguments: str) -> str | None:
        return load_scenario(parser().parse_args(["run", *arguments])).model.profile

    assert profile() == profile("two-edges") == "cpu"
    assert profile("--model", model) is None
    assert profile("two-edges", "--set", f"model.path={model}") is None
    assert profile("--model", model, "--set", "model.profile=cpu") == "cpu"
    assert profile("--model", model, "--denoiser", "paced") == "cpu"  # refused, later, by name
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "cpu.json").write_text("{}")
    assert profile("--model", model) == "cpu"
