"""Check the files of `ray up`."""

from __future__ import annotations

import logging
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deploy.documents import document

EDGE = "midstep-edge"
DEVICES = "midstep-devices"
COMMANDS = (
    "initialization_commands",
    "setup_commands",
    "head_setup_commands",
    "worker_setup_commands",
    "head_start_ray_commands",
    "worker_start_ray_commands",
)


def cloud(root: Path, path: Path) -> list[str]:
    """List complaints about a cluster in a cloud: its node types say what machines offer."""
    tree = document(path)
    return _by_ray(tree) or [*_everywhere(root, tree), *_types(tree)]


def own(root: Path, path: Path) -> list[str]:
    """List complaints about a cluster of one's own machines: `ray start` says what each offers."""
    tree = document(path)
    complaints = _by_ray(tree) or list(_everywhere(root, tree))
    starts = " ".join(tree.get("worker_start_ray_commands") or [])
    complaints += [
        f"no worker is started with the resource {name}"
        for name in (EDGE, DEVICES)
        if name not in starts
    ]
    return complaints


def _by_ray(tree: dict[str, Any]) -> list[str]:
    """List the mistakes that `ray up` itself would report before it starts anything."""
    from ray.autoscaler._private.util import prepare_config, validate_config

    logging.getLogger("ray.autoscaler._private.util").setLevel(logging.WARNING)
    try:
        validate_config(prepare_config(tree))
    except Exception as error:  # as many kinds as mistakes: jsonschema's, click's, KeyError, ...
        where = ".".join(str(part) for part in getattr(error, "absolute_path", ()))
        message = str(getattr(error, "message", None) or error or "") or type(error).__name__
        return [f"{where}: {message}" if where else message]
    return []


def _types(tree: dict[str, Any]) -> Iterator[str]:
    types = {name: spec["resources"] for name, spec in tree.get("available_node_types", {}).items()}
    head = types.pop(tree.get("head_node_type", ""), {})
    for name in (EDGE, DEVICES):
        if name in head:
            yield f"the head offers {name}: it would share its machine with Ray's own services"
    edges = [resources for resources in types.values() if EDGE in resources]
    if not edges or not all(resources.get("GPU") for resources in edges):
        yield f"a node type with a GPU must offer {EDGE}"
    if not any(DEVICES in resources for resources in types.values()):
        yield f"a node type must offer {DEVICES}"
    for name, spec in tree["available_node_types"].items():
        if name != tree["head_node_type"] and not spec.get("min_workers"):
            yield (
                f"available_node_types.{name}: min_workers must be 1 or more: a run counts the "
                f"nodes that are up at its start"
            )


def _everywhere(root: Path, tree: dict[str, Any]) -> Iterator[str]:
    mounts = {_home(remote): local for remote, local in (tree.get("file_mounts") or {}).items()}
    if mounts.get("$HOME/.ray/auth_token") != "~/.ray/auth_token":
        yield "file_mounts must bring ~/.ray/auth_token: Ray's token authentication is on"
    for key in COMMANDS:
        for command in tree.get(key) or []:
            result = subprocess.run(["bash", "-n", "-c", command], capture_output=True, text=True)
            if result.returncode:
                yield f"{key}: {result.stderr.strip()}"
    for key in ("head_start_ray_commands", "worker_start_ray_commands"):
        yield from (f"{key}: {line}" for line in _starts(tree.get(key) or []))
    yield from _installs(root, tree, mounts)


def _starts(commands: list[str]) -> Iterator[str]:
    starts = [command for command in commands if "ray start" in command]
    if len(starts) != 1:
        yield "one of them must start Ray"
    for command in starts:
        if "RAY_AUTH_MODE=token ray start" not in command:
            yield "Ray must be started with RAY_AUTH_MODE=token"
        if "--head" in command and "--dashboard-host=127.0.0.1" not in command:
            yield "the dashboard must listen on 127.0.0.1: `ray dashboard` leads there through ssh"


def _installs(root: Path, tree: dict[str, Any], mounts: dict[str, str]) -> Iterator[str]:
    """Check that one setup command installs the mounted repository with an extra that it has."""
    project = tomllib.loads((root / "pyproject.toml").read_text())
    lines = [
        shlex.split(line)
        for line in tree.get("setup_commands") or []
        if "pip" in line and "install" in line
    ]
    targets = [
        match
        for line in lines
        for word in line
        if (match := re.fullmatch(r"(\$HOME/[\w/.-]+)\[(\w+)\]", word))
    ]
    if len(targets) != 1:
        yield (
            "setup_commands: one must be "
            'pip install -c .../constraints.txt "$HOME/midstep[cluster]"'
        )
        return
    folder, extra = targets[0].groups()
    line = next(line for line in lines if targets[0][0] in line)
    if "-c" not in line or line[line.index("-c") + 1] != f"{folder}/constraints.txt":
        yield f"setup_commands: pip must install with -c {folder}/constraints.txt"
    if extra not in project["project"]["optional-dependencies"]:
        yield f"setup_commands: pyproject.toml has no extra {extra}"
    if mounts.get(folder) != ".":
        yield f"file_mounts: {folder} must be the repository, `.`"
    packages = {
        name.rstrip("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]
    }
    left_out = {name.strip("/") for name in tree.get("rsync_exclude") or []}
    for name in {*packages, "pyproject.toml", "constraints.txt", "README.md"} & left_out:
        yield f"rsync_exclude leaves out {name}, which the installation needs"


def _home(path: str) -> str:
    return re.sub(r"^~/", "$HOME/", path)
