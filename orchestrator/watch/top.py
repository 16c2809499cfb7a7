"""`midstep top`: a run's figures in the terminal, from what its folder holds, while it goes and
after it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.live import Live

from midstep.errors import RecordError
from midstep.json_text import parse_json
from orchestrator.records.folders import SCENARIO, read_scenario
from orchestrator.records.journals import JOURNALS, journal_row
from orchestrator.watch.run_figures import RunFigures
from orchestrator.watch.screen import Screen

__all__ = ["Journal", "Watch", "newest_run", "top"]

# a run without a control.json that has written nothing for so long is over
SILENT_S = 600
SUMMARY_S = 10  # a run's summary comes within this time after its tables
CHUNK = 1 << 24


class Journal:
    """The rows of a journal that is being written: each once, and none before its line has an end.
    A damaged line is passed over."""

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / f"{name}.jsonl"
        self._kind = JOURNALS[name]
        self._offset = 0
        self._rest = b""

    def rows(self) -> Iterator[dict[str, Any]]:
        """Read what is new since the last call. Raises FileNotFoundError where the file is not
        there."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            while chunk := file.read(CHUNK):
                self._offset += len(chunk)
                *lines, self._rest = (self._rest + chunk).split(b"\n")
                for line in lines:
                    row = journal_row(line, self._kind)
                    if row is not None:
                        yield row


class Watch:
    """Follows a run's folder. Raises RecordError where no run is in there, or a damaged one."""

    def __init__(self, folder: Path) -> None:
        self.figures = RunFigures(read_scenario(folder))
        self.state = "starting"
        self._folder = folder
        self._requests = Journal(folder, "requests")
        self._slots = Journal(folder, "slots")
        self._events = Journal(folder, "events")

    def look(self) -> bool:
        """Take in what is new; whether the run still lives. Raises RecordError."""
        try:
            return self._look()
        except OSError as error:
            raise RecordError(f"{self._folder}: cannot be read: {error}") from error
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RecordError(
                f"{self._folder}: the run's record is damaged: {type(error).__name__}: {error}"
            ) from error

    def _look(self) -> bool:
        try:
            alive = self._alive()  # first: what a run writes as its last is then read as well
            self.figures.add(self._requests.rows(), self._slots.rows())
        except FileNotFoundError:
            self._read_whole()
            return False
        with contextlib.suppress(FileNotFoundError):  # an older run does not write it
            self.figures.add((), (), self._events.rows())
        return alive

    def _read_whole(self) -> None:
        """The tables of a run that ended, in place of what was followed."""
        from orchestrator.records.run_reader import read_run  # pyarrow, which a live run needs not

        rows, slots = read_run(self._folder)
        self.figures = RunFigures(self.figures.scenario, whole=True)
        self.state = "ended"
        summary = self._summary()
        self.figures.add(rows, slots, summary.get("run", {}).get("events", ()))
        verdict = summary.get("verdict")
        self.figures.final_verdict = verdict if isinstance(verdict, str) else None

    def _summary(self) -> dict[str, Any]:
        """summary.json; it is written a moment after the tables. Nothing where the run died in
        between."""
        path = self._folder / "summary.json"
        while True:
            try:
                tree = parse_json(path.read_bytes())
                return tree if isinstance(tree, dict) else {}
            except (OSError, ValueError):
                if time.time() - (self._folder / "slots.parquet").stat().st_mtime > SUMMARY_S:
                    return {}
                time.sleep(0.1)

    def _alive(self) -> bool:
        """By the process that control.json names; without one, a run on the wall clock starts, or,
        where a slot has ended, compares pictures at its end."""
        try:
            endpoint = parse_json((self._folder / "control.json").read_bytes())
            alive = psutil.pid_exists(endpoint["pid"])
            self.state = "running"
        except (OSError, ValueError, KeyError, TypeError, OverflowError):
            newest = max(
                (self._folder / f"{name}.jsonl").stat().st_mtime for name in ("requests", "slots")
            )
            alive = time.time() - newest < SILENT_S
            began = (self._folder / "slots.jsonl").stat().st_size > 0
            virtual = self.figures.scenario.modes.clock == "virtual"  # which has no control.json
            self.state = ("running" if virtual else "ending") if began else "starting"
        if not alive:
            self.state = "broke off"
        return alive


def newest_run(folder: Path = Path("runs")) -> Path:
    """The run that was started last. Raises RecordError where there is none."""
    runs = [path for path in folder.glob(f"*/{SCENARIO}") if path.stat().st_size]
    if not runs:
        raise RecordError(
            f"no run is in {folder}/: start one with `midstep run`, or name a run's folder"
        )
    return max(runs, key=lambda path: path.stat().st_mtime).parent


def top(folder: Path, interval_s: float, once: bool) -> int:
    """Show a run until it ends; one picture with `once`, or where nobody watches. Raises
    RecordError."""
    console = Console()
    watch = Watch(folder)
    lives = watch.look()
    if once or not console.is_terminal:
        console.print(Screen(watch.figures, watch.state))
        return 0
    with Live(Screen(watch.figures, watch.state), console=console, auto_refresh=False) as live:
        try:
            while lives:
                time.sleep(interval_s)
                lives = watch.look()
                live.update(Screen(watch.figures, watch.state), refresh=True)
        except KeyboardInterrupt:
            pass  # the run goes on; only the watching ends
    return 0
