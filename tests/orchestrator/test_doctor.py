"""`midstep doctor`: each check is shown a planted fault, and must call it by its name and say what to do."""

import importlib
import json
import resource
import shutil
import socket
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from midstep.errors import ScenarioError
from midstep.pipelines import MODELS
from midstep.profile import StepProfile
from midstep.scenario import parse
from orchestrator import capacity
from orchestrator.cli import main
from orchestrator.doctor import Asked, command, findings, machine, model, packages, tools
from orchestrator.doctor.findings import Check, Finding
from orchestrator.parts import grouped
from orchestrator.watch import programs

REAL: dict[str, Any] = {"model": {"profile": "cpu"}}
PACED: dict[str, Any] = {**REAL, "modes": {"denoiser": "paced"}}


def asked(tree: dict[str, Any] = REAL, *settings: str, address: str | None = None) -> Asked:
    return Asked(parse(tree, settings), address)


def told(check: Check, of: Asked, name: str) -> Finding:
    """The check's one line of this name; what is not well must say what to do."""
    found = list(check(of))
    assert all(one.do for one in found if one.state != "ok")
    (one,) = [one for one in found if one.name.startswith(name)]
    return one


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def busy() -> Iterator[int]:
    """A port of loopback on which somebody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        yield one.getsockname()[1]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing in it yet."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def installed(monkeypatch: pytest.MonkeyPatch, **versions: str | None) -> None:
    real = findings.version_of
    monkeypatch.setattr(packages, "version_of", lambda name: versions.get(name, real(name)))


# Python and packages


def test_a_python_that_is_too_old_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(packages.python, asked(), "Python").state == "ok"
    monkeypatch.setattr(packages.platform, "python_version", lambda: "3.9.18")  # type: ignore[attr-defined]
    found = told(packages.python, asked(), "Python")
    assert found.state == "fail" and "3.9.18" in found.text and ">=3.11" in found.text


@pytest.mark.parametrize("version", ["1.2.3", None])
def test_a_package_too_old_or_missing_fails(version: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(packages.packages, asked(), "packages").state == "ok"
    installed(monkeypatch, grpcio=version)
    found = told(packages.packages, asked(), "packages")
    assert found.state == "fail" and f"grpcio {version or 'not installed'}" in found.text and "pip" in found.do


def test_stubs_newer_than_what_is_installed_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {one.state for one in packages.stubs(asked())} == {"ok"}
    installed(monkeypatch, grpcio="1.60.0", protobuf="7.36.0")
    found = told(packages.stubs, asked(), "grpcio")
    assert found.state == "fail" and "1.60.0, the stubs need 1." in found.text
    assert told(packages.stubs, asked(), "protobuf").state == "ok"
    inprocess = asked(PACED, "modes.wire=inprocess")
    assert told(packages.stubs, inprocess, "grpcio").state == "warn"  # nothing goes over a wire


# torch and its device


def torch_with(gpus: int, built: str | None = "12.8") -> SimpleNamespace:
    cuda = SimpleNamespace(
        is_available=lambda: gpus > 0, device_count=lambda: gpus, get_device_name=lambda index: "a GPU",
        get_device_properties=lambda index: SimpleNamespace(total_memory=80e9),
    )  # fmt: skip
    return SimpleNamespace(cuda=cuda, version=SimpleNamespace(cuda=built), get_num_threads=lambda: 2)


@pytest.mark.parametrize(
    ("gpus", "built", "device", "state", "text"),
    [
        (1, "12.8", "auto", "ok", "a GPU with 80 GB; the edge computes there"),
        (1, "12.8", "cpu", "ok", "not used"),
        (1, "12.8", "cuda:1", "fail", "sees 1 GPU(s), cuda:1 is none"),
        (0, None, "auto", "ok", "computes on the CPU (this torch is built without CUDA)"),
        (0, "12.8", "auto", "ok", "CUDA finds no GPU or no driver"),
        (0, None, "cuda", "fail", "has no cuda: this torch is built without CUDA"),
    ],
)
def test_the_device_that_is_asked_for(
    gpus: int, built: str | None, device: str, state: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib, "import_module", lambda name: torch_with(gpus, built))
    found = told(packages.torch, asked(REAL, f"model.device={device}"), "torch")
    assert found.state == state and text in found.text


def test_a_gpu_that_only_the_cluster_has_is_no_fault_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib, "import_module", lambda name: torch_with(0))
    assert told(packages.torch, asked(REAL, "model.device=cuda", address="auto"), "torch").state == "warn"


def test_a_torch_that_cannot_be_imported_fails_and_pacing_does_not_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise OSError("libtorch.so: cannot open shared object file\nmore")

    monkeypatch.setattr(importlib, "import_module", broken)
    found = told(packages.torch, asked(), "torch")
    assert found.state == "fail" and found.text.endswith("libtorch.so: cannot open shared object file")
    assert told(packages.torch, asked(PACED), "torch").state == "ok"
    installed(monkeypatch, torch=None)
    assert told(packages.torch, asked(), "torch").state == "fail"
    assert told(packages.torch, asked(PACED), "torch").state == "warn"


# the model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MODELS / "midstep-emoji", tmp_path / "model"))


def cut(folder: Path) -> None:
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


def index(folder: Path) -> None:
    shards = {"weight_map": {"a": "diffusion_pytorch_model.safetensors", "b": "model-00002.safetensors"}}
    (folder / "unet" / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(shards))


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (cut, "unet/diffusion_pytorch_model.safetensors is damaged"),
        (index, "unet/model-00002.safetensors is missing"),
        (lambda folder: shutil.rmtree(folder / "vae"), "vae/ is missing"),
        (lambda folder: (folder / "text_encoder" / "model.safetensors").unlink(), "text_encoder/ has no weights"),
        (lambda folder: (folder / "unet" / "config.json").unlink(), "unet/ has no configuration"),
        (lambda folder: (folder / "model_index.json").write_text("{"), "model_index.json cannot be read"),
        (lambda folder: (folder / "vae" / "config.json").with_name("x.bin").touch(), "vae/x.bin is empty"),
    ],
)
def test_a_damaged_model_is_found_without_loading_it(damage: Callable[[Path], None], text: str, folder: Path) -> None:
    of = asked(REAL, f"model.path={folder}")
    assert told(model.model, of, "model").state == "ok"
    damage(folder)
    found = told(model.model, of, "model")
    assert found.state == "fail" and text in found.text


def test_a_model_that_is_nowhere_fails_one_of_the_hub_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    found = told(model.model, asked(REAL, "model.path=./nowhere"), "model")
    assert found.state == "fail" and "./nowhere" in found.text and "midstep-emoji" in found.do
    cached = SimpleNamespace(try_to_load_from_cache=lambda name, file: None)
    monkeypatch.setattr(importlib, "import_module", lambda name: cached)
    found = told(model.model, asked(REAL, "model.path=someone/something"), "model")
    assert found.state == "warn" and "first run downloads it" in found.text


def test_a_profile_that_is_none_fails_where_it_is_waited_out(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text("{}")
    setting = f"model.profile={tmp_path / 'p.json'}"
    assert told(model.profile, asked(PACED, setting), "profile").state == "fail"
    assert told(model.profile, asked(REAL, setting), "profile").state == "warn"
    assert told(model.profile, asked(PACED), "profile").state == "ok"


# cores, load, memory


def test_more_than_the_cores_can_compute_is_warned_of_and_pacing_is_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "cores", lambda: 2.0)
    few, many = (asked(REAL, f"devices.0.count={n}") for n in (10, 40))
    assert told(machine.load, few, "load").state == "ok"
    found = told(machine.load, many, "load")
    assert found.state == "warn" and "--denoiser paced" in found.do
    users = int(found.do.partition("--users ")[2].partition(";")[0])
    assert told(machine.load, asked(REAL, f"devices.0.count={users}"), "load").state == "ok"
    assert told(machine.load, asked(PACED, "devices.0.count=1000"), "load").state == "ok"
    assert told(machine.load, asked(REAL, "model.path=./nowhere"), "load").state == "warn"


def test_the_load_is_users_by_their_cycle_by_what_a_request_computes() -> None:
    profile = StepProfile({1: 0.02}, encode_s=0.001, decode_s=0.005)
    scenario = parse({"devices": [{"class": "a", "count": 3}], "workload": {"arrivals": {"closed": {"think_s": 1}}}})
    load = capacity.load(scenario, profile)
    cycle = 1 + 6 * 0.02 + 14 * 0.02 / (0.075 * 0.85)
    assert load.requests_s == pytest.approx(3 / cycle)
    assert load.edge_cores == pytest.approx(3 / cycle * (6 * 0.02 + 0.001))
    assert load.device_cores == pytest.approx(3 / cycle * (14 * 0.02 + 0.001 + 0.005))
    poisson = {"workload": {"arrivals": {"poisson": {"per_user_per_minute": 6}}}}
    assert capacity.load(parse(poisson), profile).requests_s == pytest.approx(1.0)


@pytest.mark.parametrize("tree", [REAL, PACED])
def test_too_many_processes_for_the_cores_are_warned_of(tree: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "cores", lambda: 2.0)
    of = asked(tree, "devices.0.count=300", "hosts.devices_per_host=5")
    found = told(machine.cores, of, "cores")
    assert found.state == "warn" and "hosts.devices_per_host=150" in found.do
    assert told(machine.cores, asked(tree, "devices.0.count=300", "hosts.devices_per_host=150"), "cores").state == "ok"
    threads = asked(REAL, "edges.0.threads=4")
    assert "threads" in told(machine.cores, threads, "cores").do


def test_a_container_has_the_cores_of_its_quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity.os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)  # type: ignore[attr-defined]
    monkeypatch.setattr(capacity, "_QUOTA", tmp_path / "cpu.max")
    assert capacity.cores() == 8
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    assert capacity.cores() == 1.5
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert capacity.cores() == 8


def test_hosts_are_counted_as_a_run_groups_its_devices() -> None:
    from midstep.channel import specs

    edges = [{"name": name} for name in ("north", "south", "west")]
    devices = [{"class": "a", "count": 17}, {"class": "b", "count": 9, "edge": "south"}]
    for per in (1, 4, 5, 100):
        scenario = parse({"edges": edges, "devices": devices, "hosts": {"devices_per_host": per}})
        groups = grouped(specs(scenario), [edge.name for edge in scenario.edges], per)
        assert capacity.hosts(scenario) == sum(map(len, groups.values()))


def test_memory_that_is_not_there_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=2e9))
    of = asked(REAL, "devices.0.count=50", "hosts.devices_per_host=1")
    found = told(machine.memory, of, "memory")
    assert found.state == "fail" and "this machine has 2.0 GB free" in found.text
    assert found.do.startswith("raise hosts.devices_per_host")
    with pytest.raises(ScenarioError, match="50 devices in 50 hosts need about"):
        capacity.check_memory(of.scenario, 50)
    assert told(machine.memory, asked(PACED), "memory").state == "ok"
    assert told(machine.memory, asked(REAL, "model.path=./nowhere"), "memory").state == "warn"
    assert told(machine.memory, asked(REAL, "devices.0.count=5000", address="auto"), "memory").state == "ok"


@pytest.mark.parametrize(("limit", "state"), [((100, 100), "fail"), ((200, 4096), "warn"), ((4096, 4096), "ok")])
def test_a_low_limit_on_open_files(limit: tuple[int, int], state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: limit)
    found = told(machine.files, asked(), "open files")
    assert found.state == state
    assert state == "ok" or "ulimit -n" in found.do
    assert ("hard limit is 100" in found.do) == (state == "fail")


# disk, clock, ports


def test_a_full_disk_and_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.chdir(tmp_path)
    for free, state in ((1e7, "fail"), (5e8, "warn"), (1e11, "ok")):
        monkeypatch.setattr(shutil, "disk_usage", lambda path, free=free: usage(1e12, 1e12 - free, free))
        assert told(machine.disk, asked(), "disk").state == state
    (tmp_path / "runs").write_text("no folder")
    found = told(machine.disk, asked(), "disk")
    assert found.state == "fail" and "--out DIR" in found.do


def test_sleeps_that_end_late_are_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_lateness", lambda: 0.0002)
    assert told(machine.clock, asked(), "clock").state == "ok"
    monkeypatch.setattr(machine, "_lateness", lambda: 0.050)
    found = told(machine.clock, asked(), "clock")
    assert found.state == "warn" and "50.0 ms" in found.text and "INVALID" in found.do


def test_a_port_in_use(busy: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "USUAL_PORTS", {"Grafana": busy})
    of = asked(REAL, f"edges.0.address=127.0.0.1:{busy}")
    assert told(machine.ports, of, f"port {busy} (Grafana)").state == "warn"
    found = told(machine.ports, of, "edge-0")
    assert found.state == "fail" and found.text == "in use by another program" and "edges.0.address" in found.do
    assert told(machine.ports, asked(REAL, "edges.0.address=127.0.0.1:0"), "edge-0").state == "ok"
    assert told(machine.ports, asked(REAL, "edges.0.address=here"), "edge-0").state == "fail"


def test_a_machine_without_loopback_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_taken", lambda host, port: "Cannot assign requested address")
    assert told(machine.ports, asked(), "loopback").state == "fail"
    assert told(machine.ports, asked(PACED, "modes.wire=inprocess"), "loopback").state == "warn"


# Ray and its cluster


def test_ray_that_is_missing_and_ray_without_its_dashboard(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, ray=None)
    assert told(packages.ray, asked(), "Ray").state == "fail"
    assert told(packages.ray, asked(PACED, "modes.wire=inprocess"), "Ray").state == "warn"
    installed(monkeypatch, ray="2.60.0", aiohttp_cors=None)
    found = told(packages.ray, asked(), "Ray")
    assert found.state == "ok" and "aiohttp_cors missing" in found.text and "midstep[cluster]" in found.text


def test_a_cluster_that_answers_and_one_that_does_not(
    busy: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    of = asked(REAL, address=f"127.0.0.1:{busy}")
    assert told(packages.ray, of, "Ray's head").state == "ok"
    assert told(packages.ray, asked(REAL, address="127.0.0.1:1"), "Ray's head").state == "fail"
    assert told(packages.ray, asked(REAL, address="nowhere"), "Ray's head").state == "fail"
    found = told(packages.ray, asked(REAL, address="auto"), "Ray's head")
    assert found.state == "fail" and "ray start --head" in found.do
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text(f"127.0.0.1:{busy}\n")
    assert told(packages.ray, asked(REAL, address="auto"), "Ray's head").state == "ok"
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{busy}")  # as `ray job submit` sets it
    assert told(packages.ray, asked(), "Ray's head").state == "ok"


def test_a_cluster_with_tokens_and_no_token_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of = asked(REAL, address="127.0.0.1:1")
    assert told(packages.ray, of, "Ray's token").state == "warn"
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    found = told(packages.ray, of, "Ray's token")
    assert found.state == "fail" and "RAY_AUTH_TOKEN_PATH" in found.do
    (tmp_path / "token").write_text("secret")
    assert told(packages.ray, of, "Ray's token").state == "ok"
    assert all("secret" not in one.text for one in packages.ray(of))


# programs beside it


def test_programs_that_are_not_there_are_warned_of(path: Path) -> None:
    for check, names in (
        (tools.prometheus, ("Prometheus", "promtool")), (tools.grafana, ("Grafana",)), (tools.docker, ("Docker",)),
    ):  # fmt: skip
        assert {one.name: one.state for one in check(asked())} == dict.fromkeys(names, "warn")
        assert all(one.do for one in check(asked()))
    assert "neither tc nor ip" in told(tools.shaping, asked(), "kernel shaping").text


def test_programs_that_are_there(path: Path) -> None:
    program(path, "prometheus", "exit 0")
    program(path, "promtool", "echo promtool, version 3.5.0")
    program(path, "grafana-server", "exit 0")
    program(path, "docker", "echo 28.1")
    found = [one for check in (tools.prometheus, tools.grafana, tools.docker) for one in check(asked())]
    assert {one.state for one in found} == {"ok"}
    assert "promtool, version 3.5.0" in {one.text for one in found}
    assert "daemon 28.1 answers" in {one.text for one in found}


def test_a_docker_whose_daemon_does_not_answer(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(path, "docker", "echo Cannot connect to the Docker daemon >&2; exit 1")
    found = told(tools.docker, asked(), "Docker")
    assert found.state == "warn" and "Cannot connect to the Docker daemon" in found.text
    program(path, "docker", f"exec {sys.executable} -c 'import time; time.sleep(60)'")
    monkeypatch.setattr(tools, "ANSWER_S", 0.2)
    assert "no answer within 0.2 s" in told(tools.docker, asked(), "Docker").text


def test_an_image_of_docker_is_one_that_has_to_be_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    image = programs.Program("Docker, prom/prometheus:v1", ("docker", "run"), "prom/prometheus:v1")
    monkeypatch.setattr(programs, "prometheus", lambda: image)
    assert "fetched at first use" in told(tools.prometheus, asked(), "Prometheus").text


# the command


def well(of: Asked) -> Iterator[Finding]:
    yield findings.ok("well", "it is")


def ill(of: Asked) -> Iterator[Finding]:
    yield findings.fail("ill", "it is", "rest")


def poor(of: Asked) -> Iterator[Finding]:
    yield findings.warn("poor", "it is", "earn")


def crashing(of: Asked) -> Iterator[Finding]:
    raise ZeroDivisionError("oh")


@pytest.mark.parametrize(
    ("checks", "status", "last"),
    [
        ((well, poor), 0, "can run here; 0 fail, 1 warn, 1 ok"),
        ((well, ill), 1, "cannot run here; 1 fail, 0 warn, 1 ok"),
        ((well, crashing), 1, "cannot run here; 1 fail, 0 warn, 1 ok"),
    ],
)
def test_the_exit_status_is_whether_the_run_can_work(
    checks: tuple[Check, ...], status: int, last: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(
        command, "examine", lambda of: {"a group": [one for c in checks for one in command._asked(c, of)]}
    )
    assert main(["doctor", "--users", "4"]) == status
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "a group" and out[1] == "  ok   well: it is"
    assert out[-1] == f"laptop with 4 users, real denoising: {last}"
    assert all(" -> " in line for line in out if line.startswith(("  warn", "  fail")))


def test_the_users_that_a_timeline_will_have_are_what_is_reckoned_with() -> None:
    events = [{"at_s": 10, "users": 200}, {"at_s": 20, "users": 50}, {"at_s": 5, "users": 900, "edge": "edge-0"}]
    assert command.at_most(parse({"timeline": events})).users == 200
    assert command.at_most(parse({"timeline": [{"at_s": 1, "users": 3}]})).users == 10


def test_json_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["doctor", "--json", "--denoiser", "paced", "--users", "1000"])
    answer = json.loads(capsys.readouterr().out)
    states = [check["state"] for check in answer["checks"]]
    assert answer["users"] == 1000 and set(states) <= {"ok", "warn", "fail"}
    assert (status, answer["works"]) == ((1, False) if "fail" in states else (0, True))
    assert {check["group"] for check in answer["checks"]} == set(command.CHECKS)
    assert all(check["do"] for check in answer["checks"] if check["state"] != "ok")


def test_a_scenario_that_is_none_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "no-such-scenario"]) == 2
    assert "the shipped ones are" in capsys.readouterr().err


def test_a_paced_run_is_examined_without_torch_and_ray() -> None:
    code = (
        "import sys; from orchestrator.cli import main; main(['doctor', '--denoiser', 'paced']); "
        "print({m for m in ('torch', 'diffusers', 'ray', 'grpc') if m in sys.modules})"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert said.stdout.splitlines()[-1] == "set()"
