"""Quality that reuse has kept, of a run's checked pictures; and what hits and saved steps are worth
after that."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from midstep.reuse.classes import reuse_place
from midstep.reuse.proportions import wilson
from orchestrator.records.markup import number, section, table

__all__ = ["checks_line", "good_shares", "guarantee", "kind_of"]

Row = Mapping[str, Any]
Rows = Sequence[Row]


def kind_of(row: Row) -> tuple[str, int] | None:
    """The class of reuse of a finished request, and its step; None where its picture is that
    without reuse, by how it was made."""
    cut = row.get("cut_step")
    if not cut:
        return None
    likeness = row.get("likeness") or ""
    return reuse_place(likeness, row.get("reused_step") or 0, row.get("reuse_class") or "", cut)


def good_shares(done: Rows) -> list[float | None]:
    """With which probability each finished request's picture has the quality asked for: 1 where
    nothing was reused that could differ, what was found where it was checked, and else the share of
    the checked pictures of its class and step, of its class, or of all, whichever there are. None
    where none was checked."""
    at_step = defaultdict[tuple[str, int], list[float]](list)
    of_kind = defaultdict[str, list[float]](list)
    of_all: list[float] = []
    places = [kind_of(row) for row in done]
    for row, place in zip(done, places, strict=True):
        verdict = row.get("quality_kept")
        if place is not None and verdict is not None:
            at_step[place].append(verdict)
            of_kind[place[0]].append(verdict)
            of_all.append(verdict)
    shares: list[float | None] = []
    for row, place in zip(done, places, strict=True):
        verdict = row.get("quality_kept")
        if place is None:
            shares.append(1.0)
        elif verdict is not None:
            shares.append(verdict)
        else:
            known = at_step.get(place) or of_kind.get(place[0]) or of_all
            shares.append(float(np.mean(known)) if known else None)
    return shares


def checks_line(rows: Rows) -> str | None:
    """How many reused pictures were checked, and how many of them are not good enough; None where
    none was."""
    verdicts = [value for row in rows if (value := _verdict(row)) is not None]
    if not verdicts:
        return None
    bad = sum(value == 0 for value in verdicts)
    low, high = wilson(bad, len(verdicts))
    return (
        f"{len(verdicts):,} reused pictures made again without reuse: {bad / len(verdicts):.1%} "
        f"below the quality asked for (95 %: {low:.1%} to {high:.1%})"
    )


def guarantee(done: Rows) -> str:
    """The report's section: of each class of reuse how many pictures were checked, and how many of
    them have the quality asked for. Nothing where none was checked."""
    by_kind = defaultdict[str, list[Row]](list)
    for row in done:
        place = kind_of(row)
        if place is not None:
            by_kind[place[0]].append(row)
    checked = [row for rows in by_kind.values() for row in rows if _verdict(row) is not None]
    if not checked:
        return ""
    lines = [_line(kind, rows) for kind, rows in sorted(by_kind.items(), key=_most)]
    if len(lines) > 1:
        lines.append(_line("all", [row for rows in by_kind.values() for row in rows]))
    head = [
        "reuse",
        "n",
        "checked",
        "below the floor",
        "share (95 %)",
        "PSNR, mean (dB)",
        "SSIM, mean",
    ]
    note = (
        "<p class=note>Checked pictures were made again without reuse in the devices' idle time: "
        "all of a class at first, then fewer. What they say lowers the limits of the run as it "
        "goes. A class of two is another prompt's output that the edge went on with, and then what "
        "the user's own prompt adds.</p>"
    )
    return section("The guarantee: quality of reused pictures", f"{note}{table(head, lines)}")


def _line(kind: str, rows: Rows) -> list[str]:
    verdicts = [value for row in rows if (value := _verdict(row)) is not None]
    bad = sum(value == 0 for value in verdicts)
    low, high = wilson(bad, len(verdicts))
    share = f"{bad / len(verdicts):.1%} ({low:.1%} to {high:.1%})" if verdicts else number(None, "")
    return [
        kind,
        f"{len(rows):,}",
        f"{len(verdicts):,}",
        f"{bad:,}",
        share,
        number(_mean(row.get("psnr_db") for row in rows), "{:.1f}"),
        number(_mean(row.get("ssim") for row in rows), "{:.3f}"),
    ]


def _verdict(row: Row) -> float | None:
    value: float | None = row.get("quality_kept")
    return value


def _most(pair: tuple[str, list[Row]]) -> int:
    return -len(pair[1])


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
