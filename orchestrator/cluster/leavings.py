"""Processes of the Ray that a run started, and what is left of them where the run was killed.

Each run that starts a Ray notes its own process in a file. A note whose process is gone is that of
a run that was killed. Ray names its session, and with it the folder of its logs, after that
process: whoever has a file of that folder open, or names it, belongs to the run. It needs neither
Ray nor an answer from it.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from midstep.whole_file import write_at_once
from orchestrator.records.centre import Centre

__all__ = ["Leavings", "end_processes", "forget", "leavings", "note", "processes_of"]

SESSIONS = "ray"  # Ray's folder of sessions, in the one for temporary files
TITLE = "ray::"  # how its workers call themselves
PACKAGE = f"{os.sep}ray{os.sep}"  # where its programs lie
END_S = 5.0  # that killed processes may take to be gone


@dataclass(frozen=True, kw_only=True)
class Leavings:
    """What a run that was killed has left: its processes."""

    centre: Centre
    processes: list[psutil.Process]

    def __str__(self) -> str:
        """In words: how many, and of which run."""
        number = len(self.processes)
        what = "a process" if number == 1 else f"{number} processes"
        return (
            f"{what} of the run in {self.centre.folder}, which was killed (pid {self.centre.pid})"
        )


def note(centre: Centre) -> None:
    """Note a run that starts a Ray; of no effect where no file can be written."""
    folder = _notes()
    if folder is None:
        return
    with contextlib.suppress(OSError):
        write_at_once(folder / f"{centre.pid}.json", json.dumps(asdict(centre)) + "\n")


def forget(centre: Centre) -> None:
    """Remove a run's note: nothing of it is left."""
    folder = _notes()
    if folder is not None:
        with contextlib.suppress(OSError):
            (folder / f"{centre.pid}.json").unlink(missing_ok=True)


def leavings() -> list[Leavings]:
    """What runs that were killed have left; the notes of those that left nothing are removed."""
    every = []
    for centre in _noted():
        if centre.alive:
            continue
        # an id that is used again may be that of somebody else's Ray
        processes = [] if centre.replaced else processes_of(centre.pid)
        if processes:
            every.append(Leavings(centre=centre, processes=processes))
        else:
            forget(centre)
    return every


def processes_of(centre_pid: int) -> list[psutil.Process]:
    """The processes of the Ray that the process of this id started, whether or not it lives; not
    itself."""
    ending = f"_{centre_pid}"
    own = os.getuid()
    members = []
    for process in psutil.process_iter():
        if process.pid in (centre_pid, os.getpid()):
            continue
        try:
            if process.uids().real == own and any(
                session.endswith(ending) for session in _sessions(process)
            ):
                members.append(process)
        except psutil.Error:  # gone meanwhile, or not ours
            continue
    return members


def end_processes(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Kill processes at once, also those that are stopped; returns those that are still there."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    _, alive = psutil.wait_procs(processes, timeout=END_S)
    return [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def _sessions(process: psutil.Process) -> Iterator[str]:
    """The sessions of Ray whose files a process names or has open."""
    prefix = f"{_temporary() / SESSIONS}{os.sep}"
    words = process.cmdline()
    if not _is_of_ray(words, prefix):
        return
    paths = [word[word.index(prefix) :] for word in words if prefix in word]
    if not paths:
        paths = _open_paths(process.pid, prefix)
    for path in paths:
        yield path.removeprefix(prefix).partition(os.sep)[0].partition(" ")[0]


def _is_of_ray(words: list[str], prefix: str) -> bool:
    """Whether a command line is one of Ray's own programs; not that of who reads its logs."""
    if not words:
        return False
    programs = (word for word in words if prefix not in word)
    return words[0].startswith(TITLE) or any(PACKAGE in word for word in programs)


def _open_paths(pid: int, prefix: str) -> list[str]:
    """Files below `prefix` that a process has open; stopped processes tell, too."""
    table = Path(f"/proc/{pid}/fd")
    if not table.is_dir():  # no Linux
        files = psutil.Process(pid).open_files()
        return [file.path for file in files if file.path.startswith(prefix)]
    paths = []
    try:
        for entry in table.iterdir():
            with contextlib.suppress(OSError):
                target = os.readlink(entry)
                if target.startswith(prefix):
                    paths.append(target)
    except OSError:
        return []
    return paths


def _temporary() -> Path:
    return Path(os.environ.get("RAY_TMPDIR") or "/tmp")


def _notes() -> Path | None:
    """The folder of notes, this user's alone; None where there can be none."""
    folder = Path(tempfile.gettempdir()) / f"midstep-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        state = folder.lstat()
    except OSError:
        return None
    ours = stat.S_ISDIR(state.st_mode) and state.st_uid == os.getuid()
    return folder if ours and not state.st_mode & 0o022 else None


def _noted() -> list[Centre]:
    folder = _notes()
    if folder is None:
        return []
    centres = []
    for path in sorted(folder.glob("*.json")):
        try:
            centre = Centre.of(json.loads(path.read_bytes()))
        except (OSError, ValueError, KeyError, TypeError):
            continue
        centres.append(centre)
    return centres
