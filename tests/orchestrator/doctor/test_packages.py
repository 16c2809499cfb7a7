"""Python, packages, torch, stubs and Ray: a planted fault is called by its name, with what to
do."""

import importlib
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import pytest

from orchestrator.doctor import packages
from tests.orchestrator.doctor.patient import PACED, REAL, finding, installed, planned_run

# Python and packages


def test_a_python_that_is_too_old_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    assert finding(packages.python, planned_run(), "Python").state == "ok"
    monkeypatch.setattr(packages.platform, "python_version", lambda: "3.9.18")  # type: ignore[attr-defined]
    python_finding = finding(packages.python, planned_run(), "Python")
    assert (
        python_finding.state == "fail"
        and "3.9.18" in python_finding.text
        and ">=3.11" in python_finding.text
    )


@pytest.mark.parametrize("version", ["1.2.3", None])
def test_a_package_too_old_or_missing_fails(
    version: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert finding(packages.packages, planned_run(), "packages").state == "ok"
    installed(monkeypatch, grpcio=version)
    packages_finding = finding(packages.packages, planned_run(), "packages")
    assert (
        packages_finding.state == "fail"
        and f"grpcio {version or 'not installed'}" in packages_finding.text
        and "pip" in packages_finding.do
    )


def test_stubs_newer_than_what_is_installed_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {one.state for one in packages.stubs(planned_run())} == {"ok"}
    installed(monkeypatch, grpcio="1.60.0", protobuf="7.36.0")
    stubs_finding = finding(packages.stubs, planned_run(), "grpcio")
    assert stubs_finding.state == "fail" and "1.60.0, the stubs need 1." in stubs_finding.text
    assert finding(packages.stubs, planned_run(), "protobuf").state == "ok"
    inprocess = planned_run(PACED, "modes.wire=inprocess")
    assert finding(packages.stubs, inprocess, "grpcio").state == "warn"  # nothing goes over a wire


# torch and its device


def torch_with(gpus: int, built: str | None = "12.8") -> SimpleNamespace:
    cuda = SimpleNamespace(
        is_available=lambda: gpus > 0,
        device_count=lambda: gpus,
        get_device_name=lambda index: "a GPU",
        get_device_properties=lambda index: SimpleNamespace(total_memory=80e9),
    )
    return SimpleNamespace(
        cuda=cuda, version=SimpleNamespace(cuda=built), get_num_threads=lambda: 2
    )


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
    gpus: int,
    built: str | None,
    device: str,
    state: str,
    text: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib, "import_module", lambda name: torch_with(gpus, built))
    torch_finding = finding(packages.torch, planned_run(REAL, f"model.device={device}"), "torch")
    assert torch_finding.state == state and text in torch_finding.text


def test_a_gpu_that_only_the_cluster_has_is_no_fault_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib, "import_module", lambda name: torch_with(0))
    assert (
        finding(
            packages.torch, planned_run(REAL, "model.device=cuda", address="auto"), "torch"
        ).state
        == "warn"
    )


def test_a_torch_that_cannot_be_imported_fails_and_pacing_does_not_ask(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(name: str) -> None:
        raise OSError("libtorch.so: cannot open shared object file\nmore")

    monkeypatch.setattr(importlib, "import_module", broken)
    torch_finding = finding(packages.torch, planned_run(), "torch")
    assert torch_finding.state == "fail" and torch_finding.text.endswith(
        "libtorch.so: cannot open shared object file"
    )
    assert finding(packages.torch, planned_run(PACED), "torch").state == "ok"
    installed(monkeypatch, torch=None)
    assert finding(packages.torch, planned_run(), "torch").state == "fail"
    assert finding(packages.torch, planned_run(PACED), "torch").state == "warn"


# Ray and its cluster


def test_ray_that_is_missing_and_ray_without_its_dashboard(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, ray=None)
    assert finding(packages.ray, planned_run(), "Ray").state == "fail"
    assert finding(packages.ray, planned_run(PACED, "modes.wire=inprocess"), "Ray").state == "warn"
    installed(monkeypatch, ray="2.60.0", aiohttp_cors=None)
    ray_finding = finding(packages.ray, planned_run(), "Ray")
    assert (
        ray_finding.state == "ok"
        and "aiohttp_cors missing" in ray_finding.text
        and "'.[cluster]'" in ray_finding.text
    )


def test_a_cluster_that_answers_and_one_that_does_not(
    busy: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    of = planned_run(REAL, address=f"127.0.0.1:{busy}")
    assert finding(packages.ray, of, "Ray's head").state == "ok"
    assert (
        finding(packages.ray, planned_run(REAL, address="127.0.0.1:1"), "Ray's head").state
        == "fail"
    )
    assert finding(packages.ray, planned_run(REAL, address="nowhere"), "Ray's head").state == "fail"
    ray_finding = finding(packages.ray, planned_run(REAL, address="auto"), "Ray's head")
    assert ray_finding.state == "fail" and "ray start --head" in ray_finding.do
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text(f"127.0.0.1:{busy}\n")
    assert finding(packages.ray, planned_run(REAL, address="auto"), "Ray's head").state == "ok"
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{busy}")  # as `ray job submit` sets it
    assert finding(packages.ray, planned_run(), "Ray's head").state == "ok"


def test_a_cluster_with_tokens_and_no_token_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = planned_run(REAL, address="127.0.0.1:1")
    assert finding(packages.ray, of, "Ray's token").state == "warn"
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    ray_finding = finding(packages.ray, of, "Ray's token")
    assert ray_finding.state == "fail" and "RAY_AUTH_TOKEN_PATH" in ray_finding.do
    (tmp_path / "token").write_text("secret")
    assert finding(packages.ray, of, "Ray's token").state == "ok"
    assert all("secret" not in one.text for one in packages.ray(of))


def test_a_token_that_others_can_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    with TemporaryDirectory() as folder:  # tmp_path is below a folder that is closed to others
        token = Path(folder) / "auth_token"
        token.write_text("secret")
        token.chmod(0o644)
        Path(folder).chmod(0o755)
        monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(token))
        for of in (planned_run(REAL, address="127.0.0.1:1"), planned_run(REAL)):
            one = finding(packages.ray, of, "Ray's token")
            assert one.state == "warn" and one.do == f"chmod 600 {token}"
        Path(folder).chmod(0o700)  # whoever cannot come to it cannot read it
        assert not any(one.name == "Ray's token" for one in packages.ray(planned_run(REAL)))
