"""One exporter a process, and the file by which a Prometheus finds them all (file_sd)."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from prometheus_client import start_http_server

from midstep import __version__
from midstep.metrics import REGISTRY, gauge


def export(part: str, host: str = "127.0.0.1", port: int = 0) -> str:
    """Start this process's exporter; its HOST:PORT. A port of 0 takes a free one."""
    gauge("build_info", __version__, part).set(1)
    server, _ = start_http_server(port, addr=host, registry=REGISTRY)
    return f"{host}:{server.server_port}"


def write_targets(path: Path, targets: Sequence[tuple[str, str]]) -> None:
    """Write the file_sd JSON of (address, part) at once: a reader sees the old file or the new one."""
    groups = [{"targets": [address], "labels": {"job": "midstep", "part": part}} for address, part in targets]
    fresh = path.with_suffix(".tmp")
    fresh.write_text(json.dumps(groups, indent=2) + "\n")
    os.replace(fresh, path)
