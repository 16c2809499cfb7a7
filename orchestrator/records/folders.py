"""The folder that a command leaves its results in: claimed at once, so that of several commands
that start together each has its own; and files in it that are whole or not there."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from midstep.errors import OptionError, RecordError
from midstep.scenario import Scenario
from midstep.scenario_file import parse
from midstep.scenario_yaml import read_yaml
from midstep.whole_file import write_at_once

__all__ = [
    "BROKEN",
    "RUNS",
    "SCENARIO",
    "claim_folder",
    "read_scenario",
    "release_folder",
    "released_on_failure",
    "write_at_once",
]

RUNS = Path("runs")
BROKEN = ".broken-"  # in the name of a folder of a run that broke off and was then run again
SCENARIO = "scenario.yaml"  # which says that a run is in there


def claim_folder(prefix: str, out: str | None, marker: str, results: Iterable[str] = ()) -> Path:
    """A folder that no other command writes to, with an empty file `marker` in it.

    Without `out` it is runs/<prefix>-<time>, or the same with -2, -3, ... where that is taken. An
    `out` that exists may hold other files, but neither `marker` nor any of the `results` that the
    command will write: nothing is overwritten. Raises OptionError.
    """
    if out is None:
        folder = _new_folder(f"{prefix}-{time.strftime('%Y%m%d-%H%M%S')}")
        (folder / marker).touch(exist_ok=False)
        return folder
    if not out:
        raise OptionError("--out '': it names no folder; leave it away for runs/")
    folder = Path(out).resolve()  # "." has no name, and files beside the folder need one
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stranger = next((name for name in results if (folder / name).exists()), None)
        if stranger is None or (folder / marker).exists():
            (folder / marker).touch(exist_ok=False)
    except FileExistsError as error:
        raise OptionError(_refusal(folder, out, marker)) from error
    except OSError as error:
        raise OptionError(f"--out {out}: the folder cannot be made or written: {error}") from error
    if stranger is not None:
        raise OptionError(
            f"--out {out}: {stranger} is in there and would be overwritten; name another folder"
        )
    return folder


def release_folder(folder: Path, marker: str) -> None:
    """Give up a claim: the marker goes, and the folder where nothing else is in it."""
    (folder / marker).unlink(missing_ok=True)
    if folder == Path.cwd():  # `--out .`: whoever stands there keeps it
        return
    with contextlib.suppress(OSError):  # other files are in it
        folder.rmdir()


@contextlib.contextmanager
def released_on_failure(folder: Path, marker: str) -> Iterator[None]:
    """Release the claim where the block raises before the marker holds a result."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            if not (folder / marker).stat().st_size:
                release_folder(folder, marker)
        raise


def read_scenario(folder: Path) -> Scenario:
    """The scenario of the run in a folder. Raises RecordError, ScenarioError."""
    path = folder / SCENARIO
    try:
        tree = read_yaml(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise RecordError(f"{folder}: no run is in there (no {SCENARIO})") from error
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise RecordError(f"{path}: is no YAML any more: the run's record is damaged") from error
    if not isinstance(tree, dict):
        raise RecordError(f"{path}: holds no scenario: the run's record is damaged, or it starts")
    return parse(tree, (), str(folder))


def _new_folder(name: str) -> Path:
    """RUNS/name, or the first of name-2, name-3, ... that nobody has. Raises OptionError."""
    number = 1
    while True:
        folder = RUNS / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(parents=True, exist_ok=False)
            return folder
        except FileExistsError:
            if not RUNS.is_dir():
                raise OptionError(f"{RUNS}: is no folder; name one with --out") from None
            number += 1
        except OSError as error:
            raise OptionError(f"{folder}: the folder cannot be made: {error}") from error


def _refusal(folder: Path, out: str, marker: str) -> str:
    if not folder.is_dir():
        return f"--out {out}: the folder cannot be made: a file is in its place"
    kind = "a run is" if marker == SCENARIO else "results are"
    return f"--out {out}: {kind} in there already; name another folder or remove it"
