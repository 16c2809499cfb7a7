"""Folders of runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from random import Random

from midstep.errors import RecordError
from midstep.scenario_file import parse
from midstep.workload.trace_file import read_trace
from orchestrator.live.launch import Options
from orchestrator.live.run import run
from orchestrator.live.run_service import find_endpoint
from orchestrator.records import perfetto, report
from orchestrator.records.run_reader import read_run
from orchestrator.records.run_record import Run
from orchestrator.watch.top import Watch
from tests import paced
from tests.fuzz.kind import Kind
from tests.fuzz.mutation import damaged, with_odd_leaf

__all__ = ["Folders"]

TABLES = ("requests", "slots")


class Folders(Kind):
    """The folder of a run that ended, or of one that broke off, with damage to some of its files;
    reported, watched, scaled, replayed, opened."""

    name = "folders"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._ended = folder / "ended"
        scenario = parse(paced.tree(duration_s=4, report={"references": 0, "perfetto": True}))
        assert run(scenario, Options(out=str(self._ended), quiet=True)) == 0
        self._broken = folder / "broken"
        shutil.copytree(self._ended, self._broken)
        requests, slots = read_run(self._ended)
        for name, rows in zip(TABLES, (requests, slots), strict=True):
            (self._broken / f"{name}.parquet").unlink()
            text = "".join(json.dumps(row) + "\n" for row in rows)
            (self._broken / f"{name}.jsonl").write_text(text)
        event = json.dumps({"at_s": 1.0, "text": "a host died"})
        (self._broken / "events.jsonl").write_text(event + "\n")
        endpoint = {"address": "127.0.0.1:1", "token": "t" * 43, "pid": 1}
        (self._broken / "control.json").write_text(json.dumps(endpoint) + "\n")
        for name in ("summary.json", "report.html"):
            (self._broken / name).unlink()

    def one(self, rng: Random) -> None:
        """Damage one, and use it."""
        place = self.folder / "run"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(rng.choice((self._ended, self._broken, self._broken)), place)
        for _ in range(rng.choice((1, 1, 2, 4))):
            _damage(rng.choice([path for path in place.iterdir() if not path.is_dir()]), rng)
        rng.choice((_report, _report, _watch, _endpoint, _replay, _open, _trace))(place)


def _damage(path: Path, rng: Random) -> None:
    choice = rng.random()
    if path.is_symlink() or path.is_dir():
        return
    if choice < 0.06:
        path.unlink()
    elif choice < 0.10:
        path.unlink()
        path.mkdir()
    elif choice < 0.14:
        path.unlink()
        path.symlink_to(path)
    elif choice < 0.7 and path.suffix in (".json", ".jsonl"):
        lines = path.read_text("utf-8", "surrogateescape").splitlines() or ["{}"]
        whole = path.suffix == ".json"
        number = 0 if whole else rng.randrange(len(lines))
        text = "\n".join(lines) if whole else lines[number]
        try:
            changed = json.dumps(with_odd_leaf(json.loads(text), rng))
        except ValueError:
            changed = ""
        lines[number : None if whole else number + 1] = [changed]
        path.write_text("\n".join(lines) + "\n", "utf-8", "surrogatepass")
    else:
        path.write_bytes(damaged(path.read_bytes(), rng))


def _report(place: Path) -> None:
    page = report.write(place).read_text()
    assert "<script" not in page.lower()
    if not (place / "report.html").is_file():
        raise RecordError("no report")


def _watch(place: Path) -> None:
    from rich.console import Console

    from orchestrator.watch.screen import Screen

    watch = Watch(place)
    watch.look()
    Console(file=None, quiet=True).print(Screen(watch.figures, watch.state))


def _endpoint(place: Path) -> None:
    find_endpoint(place)


def _replay(place: Path) -> None:
    read_trace(str(place), "workload.trace")


def _open(place: Path) -> None:
    one = Run(place)
    repr(one)
    one._repr_html_()
    one.frame("requests", "arrow")


def _trace(place: Path) -> None:
    perfetto.write(place)
