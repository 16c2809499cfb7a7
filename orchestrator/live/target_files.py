"""The files by which a Prometheus finds a run's exporters (file_sd)."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from midstep.telemetry.exporter import Target, write_targets

__all__ = ["write_target_files"]


def write_target_files(folder: Path, targets: Sequence[Target]) -> None:
    """Write targets.json in the run's folder, and while there are any a copy beside the folder: a
    Prometheus can watch one folder of files only. Raises OSError for the first alone."""
    run = folder.resolve().name
    write_targets(folder / "targets.json", targets, run)
    beside = folder.with_name(f"{folder.name}.targets.json")
    with contextlib.suppress(OSError):  # the folder's own file is what counts
        if targets:
            write_targets(beside, targets, run)
        else:
            beside.unlink(missing_ok=True)
