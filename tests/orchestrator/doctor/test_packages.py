"""Python, packages, torch, stubs and Ray: a planted fault is called by its name, with what to
do."""

import importlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from orchestrator.doctor import packages
from tests.orchestrator.doctor.patient import PACED, REAL, asked, installed, told

# Python and packages


def test_a_python_that_is_too_old_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(packages.python, asked(), "Python").state == "ok"
    monkeypatch.setattr(packages.platform, "python_version", lambda: "3.9.18")  # type: ignore[attr-defined]
    found = told(packages.python, asked(), "Python")
    assert found.state == "fail" and "3.9.18" in found.text and ">=3.11" in found.text


@pytest.mark.parametrize("version", ["1.2.3", None])
def test_a_package_too_old_or_missing_fails(
    version: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert told(packages.packages, asked(), "packages").state == "ok"
    installed(monkeypatch, grpcio=version)
    found = told(packages.packages, asked(), "packages")
    assert (
        found.state == "fail"
        and f"grpcio {version or 'not installed'}" in found.text
        and "pip" in found.do
    )


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
    found = told(packages.torch, asked(REAL, f"model.device={device}"), "torch")
    assert found.state == state and text in found.text


def test_a_gpu_that_only_the_cluster_has_is_no_fault_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib, "import_module", lambda name: torch_with(0))
    assert (
        told(packages.torch, asked(REAL, "model.device=cuda", address="auto"), "torch").state
        == "warn"
    )


def test_a_torch_that_cannot_be_imported_fails_and_pacing_does_not_ask(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(name: str) -> None:
        raise OSError("libtorch.so: cannot open shared object file\nmore")

    monkeypatch.setattr(importlib, "import_module", broken)
    found = told(packages.torch, asked(), "torch")
    assert found.state == "fail" and found.text.endswith(
        "libtorch.so: cannot open shared object file"
    )
    assert told(packages.torch, asked(PACED), "torch").state == "ok"
    installed(monkeypatch, torch=None)
    assert told(packages.torch, asked(), "torch").state == "fail"
    assert told(packages.torch, asked(PACED), "torch").state == "warn"


# Ray and its cluster


def test_ray_that_is_missing_and_ray_without_its_dashboard(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, ray=None)
    assert told(packages.ray, asked(), "Ray").state == "fail"
    assert told(packages.ray, asked(PACED, "modes.wire=inprocess"), "Ray").state == "warn"
    installed(monkeypatch, ray="2.60.0", aiohttp_cors=None)
    found = told(packages.ray, asked(), "Ray")
    assert (
        found.state == "ok"
        and "aiohttp_cors missing" in found.text
        and "midstep[cluster]" in found.text
    )


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


def test_a_cluster_with_tokens_and_no_token_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = asked(REAL, address="127.0.0.1:1")
    assert told(packages.ray, of, "Ray's token").state == "warn"
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    found = told(packages.ray, of, "Ray's token")
    assert found.state == "fail" and "RAY_AUTH_TOKEN_PATH" in found.do
    (tmp_path / "token").write_text("secret")
    assert told(packages.ray, of, "Ray's token").state == "ok"
    assert all("secret" not in one.text for one in packages.ray(of))
