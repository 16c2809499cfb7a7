"""Finds a Prometheus and a Grafana on this machine: on the PATH, else from Docker."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Program", "docker_answers", "grafana", "port", "prometheus"]

IMAGES = {"prometheus": "prom/prometheus:v3.5.0", "grafana": "grafana/grafana:11.6.0"}
HOMES = ("/usr/share/grafana", "/usr/local/share/grafana", "/opt/homebrew/share/grafana")


@dataclass(frozen=True)
class Program:
    """A way to start something: `words` in front of its own arguments. `pulls`: Docker may have to
    fetch it first."""

    name: str
    words: tuple[str, ...]
    image: str | None = None

    @property
    def pulls(self) -> bool:
        return self.image is not None

    def command(
        self, arguments: Sequence[str], folders: Sequence[Path], variables: Sequence[str] = ()
    ) -> list[str]:
        """The whole command. `folders`: those that it works in; `variables`: those of the
        environment that it needs."""
        if self.image is None:
            return [*self.words, *arguments]
        volumes = [f"--volume={folder}:{folder}" for folder in folders]
        # by name: a password is not for `ps`
        options = [word for name in variables for word in ("--env", name)]
        return [*self.words, *volumes, *options, self.image, *arguments]


def prometheus() -> Program | None:
    """None where there is none."""
    if binary := shutil.which("prometheus"):
        return Program(binary, (binary,))
    return _from_docker("prometheus")


def grafana() -> Program | None:
    """None where there is none."""
    for name, words in (("grafana", ("server",)), ("grafana-server", ())):
        if binary := shutil.which(name):
            home = _home(Path(binary).resolve())
            return Program(binary, (binary, *words, *([f"--homepath={home}"] if home else [])))
    return _from_docker("grafana")


def port(preferred: int) -> int:
    """This port of loopback where it is free, else any free one."""
    for number in (preferred, 0):
        with socket.socket() as free:
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                free.bind(("127.0.0.1", number))
            except OSError:
                continue
            return int(free.getsockname()[1])
    raise OSError("no free port on 127.0.0.1")


def docker_answers() -> bool:
    """Whether a Docker daemon is there for us."""
    if shutil.which("docker") is None:
        return False
    try:
        info = subprocess.run(["docker", "info"], capture_output=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return info.returncode == 0


def _home(binary: Path) -> Path | None:
    """Grafana's own files: it looks for them from where it is started, which is never right
    here."""
    shares = [parent / "share" / "grafana" for parent in binary.parents]
    folders = [*binary.parents, *shares, *(Path(home) for home in HOMES)]
    return next(
        (folder for folder in folders if (folder / "conf" / "defaults.ini").is_file()), None
    )


def _from_docker(name: str) -> Program | None:
    """With the host's network, which is the machine's own on Linux only: exporters listen on
    loopback."""
    if sys.platform != "linux" or not docker_answers():
        return None
    words = ("docker", "run", "--rm", "--network=host", f"--user={os.getuid()}:{os.getgid()}")
    return Program(f"Docker, {IMAGES[name]}", words, IMAGES[name])
