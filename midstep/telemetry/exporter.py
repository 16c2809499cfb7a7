"""One exporter a process, and the file by which a Prometheus finds them all (file_sd)."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import ProcessCollector, start_http_server

from midstep import __version__
from midstep.address import split_address
from midstep.errors import AddressError
from midstep.telemetry.metrics import REGISTRY, gauge
from midstep.whole_file import write_at_once

__all__ = ["Target", "export", "export_at", "write_targets"]


@dataclass(frozen=True)
class Target:
    """One exporter as a Prometheus is told of it. `part`: edge, host, learner or orchestrator;
    `process`: its own name, such as host-3; `node`: the address of the machine that it is on."""

    address: str
    part: str
    process: str

    @property
    def node(self) -> str:
        return self.address.rpartition(":")[0]


def export(part: str, host: str = "127.0.0.1", port: int = 0) -> str:
    """Start this process's exporter; its HOST:PORT. A port of 0 takes a free one. Raises
    AddressError."""
    gauge("build_info", __version__, part).set(1)
    _of_the_process()
    try:
        server, _ = start_http_server(port, addr=host, registry=REGISTRY)
    except (OSError, OverflowError) as error:
        raise AddressError(
            f"the exporter cannot listen on {host}:{port}: {error}; give another port, or 0"
        ) from error
    return f"{host}:{server.server_port}"


def export_at(part: str, address: str) -> str:
    """Start this process's exporter at the HOST:PORT of --metrics. Raises AddressError."""
    return export(part, *split_address(address))


@functools.cache
def _of_the_process() -> None:
    """The standard process_* metrics (CPU, memory, open files), and the GPU's memory."""
    ProcessCollector(registry=REGISTRY)
    gauge("gpu_memory_bytes").set_function(_gpu_memory_bytes)


def _gpu_memory_bytes() -> float:
    """What this process's tensors take of the GPU; 0 where it computes on none."""
    torch = sys.modules.get("torch")  # a paced process has none, and need not load it for this
    return (
        float(torch.cuda.memory_allocated())
        if torch is not None and torch.cuda.is_initialized()
        else 0.0
    )


def write_targets(path: Path, targets: Sequence[Target], run: str) -> None:
    """Write the file_sd JSON of a run at once: a reader sees the old file or the new one."""
    groups = [
        {
            "targets": [target.address],
            "labels": {
                "job": "midstep",
                "run": run,
                "part": target.part,
                "process": target.process,
                "node": target.node,
            },
        }
        for target in targets
    ]
    write_at_once(path, json.dumps(groups, indent=2) + "\n")
