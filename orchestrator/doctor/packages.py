"""Checks of what is installed: Python, the packages, torch and its device, the gRPC stubs, Ray."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

import midstep.v1
from orchestrator.cluster.head import unreachable
from orchestrator.doctor.findings import (
    Finding,
    PlannedRun,
    fail,
    first_line,
    needed,
    ok,
    version_of,
    warn,
)

__all__ = ["packages", "python", "ray", "stubs", "torch"]

STUBS = Path(midstep.v1.__file__).parent
INSTALL = "pip install -c constraints.txt -e . in the repository"
RAY_START_S = 120.0

_START_RAY = """
import sys
from orchestrator.cluster.ray_session import ray  # with the environment of a run
how = {"address": sys.argv[1]} if sys.argv[1] else {"num_cpus": 1, "include_dashboard": False}
ray.init(**how, log_to_driver=False, logging_level="ERROR")
print(f"{len(ray.nodes())} node(s), {ray.cluster_resources().get('CPU', 0):g} CPUs")
ray.shutdown()
"""


def python(plan: PlannedRun) -> Iterator[Finding]:
    """The interpreter, against what the package asks for."""
    wanted = importlib.metadata.metadata("midstep")["Requires-Python"]
    text = f"{platform.python_version()} ({platform.machine()}, {platform.system()})"
    if platform.python_version() in SpecifierSet(wanted):
        yield ok("Python", text)
    else:
        yield fail(
            "Python", f"{text}, {wanted} is needed", "make the environment with a newer Python"
        )


def packages(plan: PlannedRun) -> Iterator[Finding]:
    """Every package that midstep needs, against the version that it needs. Imports none of them."""
    required = [Requirement(text) for text in importlib.metadata.requires("midstep") or ()]
    required = [one for one in required if one.marker is None or one.marker.evaluate({"extra": ""})]
    wrong = []
    for one in required:
        installed = version_of(one.name)
        if installed is None or not one.specifier.contains(installed, prereleases=True):
            wrong.append(f"{one.name} {installed or 'not installed'} (needed: {one.specifier})")
    if wrong:
        yield fail("packages", "; ".join(wrong), INSTALL)
    else:
        yield ok("packages", f"the {len(required)} that midstep needs are there")


def torch(plan: PlannedRun) -> Iterator[Finding]:
    """torch, and what it computes on. Imports it, unless the run only paces."""
    version = version_of("torch")
    wanted = plan.scenario.model.device
    if version is None:
        yield needed(not plan.paced, "torch", "not installed", INSTALL)
        return
    if plan.paced:
        yield ok("torch", f"{version}; a paced run computes nothing with it")
        return
    try:
        module = importlib.import_module("torch")
    except (ImportError, OSError) as error:
        yield fail(
            "torch",
            f"{version} cannot be imported: {_first(error)}",
            "pip install --force-reinstall torch",
        )
        return
    if module.cuda.is_available():
        number = module.cuda.device_count()
        index = int(wanted.partition(":")[2] or 0)
        if index >= number:
            yield fail(
                "torch",
                f"{version} sees {number} GPU(s), {wanted} is none",
                "set model.device to cuda",
            )
            return
        memory = module.cuda.get_device_properties(index).total_memory
        used = "not used: model.device is cpu" if wanted == "cpu" else "the edge computes there"
        yield ok(
            "torch",
            f"{version}, {module.cuda.get_device_name(index)} with {memory / 1e9:.0f} GB; {used}",
        )
        return
    why = (
        "this torch is built without CUDA"
        if module.version.cuda is None
        else "CUDA finds no GPU or no driver"
    )
    threads = f"{module.get_num_threads()} threads unless told otherwise"
    if wanted.startswith("cuda"):
        do = (
            "set model.device to auto or cpu; for a GPU: nvidia-smi must show it, and torch be a "
            "build with CUDA"
        )
        yield needed(plan.cluster is None, "torch", f"{version} has no {wanted}: {why}", do)
    else:
        yield ok("torch", f"{version}, computes on the CPU ({why}), {threads}")


def stubs(plan: PlannedRun) -> Iterator[Finding]:
    """Whether the installed gRPC and protobuf are as new as the stubs in the package ask for."""
    text = "\n".join(path.read_text() for path in sorted(STUBS.glob("*_pb2*.py")))
    grpcs = re.findall(r"GRPC_GENERATED_VERSION = '([\d.]+)'", text)
    protobufs = re.findall(
        r"ValidateProtobufRuntimeVersion\(\s*\S+\s*(\d+),\s*(\d+),\s*(\d+)", text
    )
    for package, versions in (
        ("grpcio", grpcs),
        ("protobuf", [".".join(version) for version in protobufs]),
    ):
        installed = version_of(package)
        least = max(map(Version, versions))
        if installed is None or Version(installed) < least:
            text = f"{installed or 'not installed'}, the stubs need {least}"
            yield needed(plan.ray, package, text, INSTALL)
        else:
            yield ok(package, f"{installed}, the stubs need {least}")


def ray(plan: PlannedRun) -> Iterator[Finding]:
    """Ray, its extras, and the cluster that is to be joined."""
    version = version_of("ray")
    if version is None:
        yield needed(plan.ray, "Ray", "not installed", INSTALL)
        return
    missing = _missing("ray", "default")
    if missing:
        do = "pip install -c constraints.txt '.[cluster]' in the repository"
        lacking = (
            f"{version} without the dashboard ({', '.join(missing)} missing): no `ray job submit`"
        )
        yield warn("Ray", lacking, do) if plan.cluster else ok("Ray", f"{lacking}; {do} has it")
    else:
        yield ok("Ray", f"{version}, with dashboard and jobs")
    if plan.cluster is not None:
        yield from _token()
        yield _reachable(plan.cluster)
    elif _is_open(path := _token_path()):
        yield _token_file(path)
    if plan.deep and plan.ray:
        status, line = first_line(
            [sys.executable, "-c", _START_RAY, plan.cluster or ""], RAY_START_S
        )
        what = "joins" if plan.cluster else "starts"
        if status == 0:
            yield ok(f"Ray {what}", line)
        else:
            yield fail(f"Ray {what}", f"it does not: {line}", "see /tmp/ray/session_latest/logs")


def _token() -> Iterator[Finding]:
    """What a driver needs to be let into a cluster; token authentication is Ray's default."""
    mode = os.environ.get("RAY_AUTH_MODE", "").lower()
    if not mode:
        do = "set RAY_AUTH_MODE=token, or disabled where the cluster has it off"
        yield warn(
            "Ray's token", "RAY_AUTH_MODE is not set: a cluster with tokens lets nobody in", do
        )
    elif mode == "token":
        path = _token_path()
        if os.environ.get("RAY_AUTH_TOKEN"):
            yield ok("Ray's token", "from RAY_AUTH_TOKEN")
        elif path.is_file():
            yield _token_file(path)
        else:
            do = "copy the head's ~/.ray/auth_token here, or set RAY_AUTH_TOKEN_PATH"
            yield fail("Ray's token", "RAY_AUTH_MODE is token, and there is none", do)
    else:
        yield warn(
            "Ray's token",
            f"RAY_AUTH_MODE is {mode}",
            "only where nobody else reaches the cluster's ports",
        )


def _token_file(path: Path) -> Finding:
    """Whether others on this machine can read the token: who has it runs code as its owner."""
    if _is_open(path):
        text = f"others on this machine can read {path}, and run code as you with it"
        return warn("Ray's token", text, f"chmod 600 {path}")
    return ok("Ray's token", "from a file")


def _token_path() -> Path:
    return Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")


def _is_open(path: Path) -> bool:
    """Whether a file is there that others can come to and read."""
    try:
        reachable = all(folder.stat().st_mode & 0o011 for folder in path.absolute().parents)
        return reachable and bool(path.stat().st_mode & 0o044)
    except OSError:
        return False


def _reachable(address: str) -> Finding:
    why = unreachable(address)
    if why is None:
        return ok("Ray's head", f"somebody answers at {address}")
    return fail(
        "Ray's head", why, "start the head (`ray start --head`), and let its port through from here"
    )


def _missing(package: str, extra: str) -> list[str]:
    """What an extra of an installed package asks for and is not there."""
    required = [Requirement(text) for text in importlib.metadata.requires(package) or ()]
    of_extra = [
        one for one in required if one.marker is not None and one.marker.evaluate({"extra": extra})
    ]
    return sorted({one.name for one in of_extra if version_of(one.name) is None})


def _first(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
