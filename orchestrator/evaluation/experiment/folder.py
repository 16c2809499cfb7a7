"""The experiment's folder: one command's at a time, and each point's record whole or to be played
again.

    experiment.yaml          the file, as it was
    points/<id>/             a run's record; `point.json` says that it is whole
    points/<id>/traceback.txt   where it failed
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from midstep.errors import OptionError
from orchestrator.evaluation.experiment.points import Point
from orchestrator.evaluation.experiment.pool import Outcome
from orchestrator.records.folders import BROKEN, RUNS, SCENARIO, write_at_once
from orchestrator.records.versions import versions

__all__ = ["PLAN", "Folder"]

PLAN = "experiment.yaml"
WHOLE = "point.json"
TRACEBACK = "traceback.txt"
LOCK = "lock"


class Folder:
    """`path` is the experiment's own. `open` it before anything else: a context manager."""

    def __init__(self, name: str, out: str | None) -> None:
        if out == "":
            raise OptionError("--out '': it names no folder; leave it away for runs/")
        self.path = RUNS / name if out is None else Path(out)

    @contextlib.contextmanager
    def open(self, plan: str) -> Iterator[None]:
        """Hold the folder for this command alone; `plan` is the text of the experiment's file.
        Raises OptionError where something else is in it, or another command holds it."""
        path = self.path
        try:
            path.mkdir(parents=True, exist_ok=True)
            stranger = next((one.name for one in path.iterdir() if one.name != LOCK), None)
        except OSError as error:
            raise OptionError(f"--out {path}: the folder cannot be made: {error}") from error
        if (path / SCENARIO).exists() or (stranger and not (path / PLAN).is_file()):
            raise OptionError(
                f"--out {path}: something else is in there; name another folder with --out"
            )
        with contextlib.ExitStack() as held:
            try:
                lock = held.enter_context((path / LOCK).open("w"))
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                write_at_once(path / PLAN, plan)
            except BlockingIOError as error:
                raise OptionError(
                    f"--out {path}: another `midstep experiment` is at it; wait for it, or name "
                    f"another folder with --out"
                ) from error
            except OSError as error:
                raise OptionError(f"--out {path}: cannot be written: {error}") from error
            yield

    def of(self, point: Point) -> Path:
        """The folder of a point."""
        return self.path / "points" / point.id

    def whole(self, point: Point) -> dict[str, Any] | None:
        """What `finish` wrote of a point; None where its record is not whole."""
        try:
            tree = json.loads((self.of(point) / WHOLE).read_bytes())
        except (OSError, ValueError):
            return None
        return tree if isinstance(tree, dict) else None

    def failure(self, point: Point) -> str | None:
        """Why a point failed, in one line; None where it did not."""
        try:
            lines = (self.of(point) / TRACEBACK).read_text().splitlines()
        except OSError:
            return None
        return lines[0] if lines else "it failed"

    def clear(self, point: Point, keep: bool) -> None:
        """Make room for a point that is played again. What a live run measured before it broke off
        is kept beside (`keep`); what is computed comes out the same again."""
        folder = self.of(point)
        folder.parent.mkdir(exist_ok=True)
        if not folder.exists():
            return
        if not keep:
            shutil.rmtree(folder)
            return
        number = 1
        while (aside := folder.with_name(f"{folder.name}{BROKEN}{number}")).exists():
            number += 1
        folder.rename(aside)

    def finish(self, point: Point, outcome: Outcome) -> None:
        """Note what became of a point: that its record is whole, or why it failed."""
        folder = self.of(point)
        folder.mkdir(parents=True, exist_ok=True)
        if outcome.error is not None:
            write_at_once(folder / TRACEBACK, f"{outcome.error}\n\n{outcome.traceback}")
            return
        tree = {
            "settings": dict(point.settings),
            "seed": point.seed,
            "repeat": point.repeat,
            "wall_s": round(outcome.wall_s, 3),
            "versions": versions(),
        }
        write_at_once(folder / WHOLE, json.dumps(tree, indent=2, default=str) + "\n")
