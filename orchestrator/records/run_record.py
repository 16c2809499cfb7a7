"""A run's folder as data: its figures, its tables as frames, its pictures."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from midstep.errors import RecordError
from midstep.json_text import parse_json
from midstep.scenario import Scenario
from orchestrator.records import perfetto
from orchestrator.records.folders import read_scenario
from orchestrator.records.frames import frame_of, record_table

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Pictures", "Run"]

COMPARED = (
    "-frame",
    "-reference",
    "-start",
)  # what stands behind a request's id in the name of a file


class Run:
    """A run that has ended, or broken off; read when it is asked for, and then kept.

    `folder` has what docs/record.md says. Raises RecordError where no run is in it, and
    ScenarioError where its scenario is none.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        scenario = read_scenario(folder)
        # the text of a policy's file is data here, not code to be run again
        settings = scenario.policy.model_copy(update={"source": None})
        self.scenario: Scenario = scenario.model_copy(update={"policy": settings})

    @cached_property
    def summary(self) -> dict[str, Any]:
        """summary.json; of a run that broke off it is made first, with the report."""
        path = self.folder / "summary.json"
        if not path.is_file():
            _write_report(self.folder)
        try:
            tree: dict[str, Any] = parse_json(path.read_bytes())
        except (OSError, ValueError) as error:
            raise RecordError(f"{path}: cannot be read: {error}") from error
        return tree

    @property
    def metrics(self) -> dict[str, float | None]:
        """Every metric of the summary, by name; None where nothing is known."""
        by_name = self.summary["policies"][self.scenario.policy.name]
        return {name: value["mean"] for name, value in by_name.items()}

    @property
    def verdict(self) -> str:
        """`VALID`, or `INVALID` with the reason: whether the emulator kept its own bounds."""
        return str(self.summary["verdict"])

    @property
    def status(self) -> int | None:
        """The exit status that the command ends with; None of a run that broke off."""
        status: int | None = self.summary["run"].get("status")
        return status

    @property
    def events(self) -> list[dict[str, Any]]:
        """What happened: deaths, users that came and went; seconds and a line each."""
        events: list[dict[str, Any]] = self.summary["run"]["events"]
        return events

    @property
    def effects(self) -> list[dict[str, Any]]:
        """What each event of the timeline did, in their order: what changed around it, and how long
        after it the run was as before (docs/faults.md)."""
        effects: list[dict[str, Any]] = self.summary.get("effects", [])
        return effects

    @cached_property
    def requests(self) -> Any:
        """requests.parquet as a pandas frame. Raises ImportError without pandas."""
        return self.frame("requests")

    @cached_property
    def slots(self) -> Any:
        """slots.parquet as a pandas frame. Raises ImportError without pandas."""
        return self.frame("slots")

    def frame(self, table: str, library: str = "pandas") -> Any:
        """A table (`requests`, `slots`, `ticks`) as a frame of `pandas` or `polars`, or as an
        `arrow` table. Raises ImportError where the library is missing, RecordError, OptionError."""
        return frame_of(record_table(self.folder, table), library)

    @property
    def pictures(self) -> Pictures:
        """The finished pictures, by request id."""
        return Pictures(self.folder / "images")

    @property
    def report(self) -> Path:
        """report.html, written where it is not there."""
        path = self.folder / "report.html"
        return path if path.is_file() else _write_report(self.folder)

    def write_trace(self) -> Path:
        """Write trace.json, for ui.perfetto.dev, and return its path. The edges' ticks are in it
        where the run was made with `perfetto`."""
        return perfetto.write(self.folder)

    def __repr__(self) -> str:
        return f"<midstep run {self.folder}: {self._headline}>"

    def _repr_html_(self) -> str:
        """A table of the metrics, for notebooks."""
        rows = "".join(
            f"<tr><td>{name}</td><td style='text-align:right'>{value:,.6g}</td></tr>"
            for name, value in self.metrics.items()
            if value is not None
        )
        return f"<b>{html.escape(self._headline)}</b><br>{html.escape(str(self.folder))}" + (
            f"<table>{rows}</table>"
        )

    @property
    def _headline(self) -> str:
        name = self.scenario.name
        requests = self.metrics["requests"] or 0
        return f"{name}, {self.scenario.policy.name}, {requests:.0f} requests, {self.verdict}"


class Pictures(Mapping[str, "Image"]):
    """The pictures of a run's finished requests by request id, each read when it is asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __getitem__(self, request_id: str) -> Image:
        return self._open(request_id)

    def __iter__(self) -> Iterator[str]:
        names = sorted(path.stem for path in self._folder.glob("*.png"))
        return (name for name in names if not name.endswith(COMPARED))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @property
    def compared(self) -> list[str]:
        """The requests whose pictures were made again without reuse."""
        names = (path.stem for path in self._folder.glob("*-reference.png"))
        return sorted(name.removesuffix("-reference") for name in names)

    def reference(self, request_id: str) -> Image:
        """The same picture without reuse. Raises KeyError where none was made."""
        return self._open(f"{request_id}-reference")

    def received(self, request_id: str) -> Image:
        """What the device got from the edge, decoded. Raises KeyError where it was not compared."""
        return self._open(f"{request_id}-frame")

    def _open(self, name: str) -> Image:
        from PIL import Image

        path = self._folder / f"{name}.png"
        if not path.is_file():
            raise KeyError(name)
        with Image.open(path) as image:
            image.load()
        return image


def _write_report(folder: Path) -> Path:
    from orchestrator.records import report  # draws: half a second to import

    return report.write(folder)
