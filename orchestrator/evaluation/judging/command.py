"""`midstep judge`: whether the pictures of a run show what their prompts say, all of them; and what
reuse takes away, against the same requests without it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from midstep.errors import OptionError, RecordError
from orchestrator.evaluation.judging.judged_run import JudgedRun, judge_run
from orchestrator.evaluation.judging.shares import (
    Outcome,
    PairedShare,
    Share,
    difference,
    share,
)
from orchestrator.evaluation.judging.verdicts import write_verdicts
from orchestrator.records.request_plots import by_cut, by_reuse
from orchestrator.records.run_reader import read_run
from orchestrator.watch.progress_bar import progress_bar

__all__ = ["judge"]

Row = Mapping[str, Any]
SAME = ("prompt", "seed", "variation_seed")  # of requests whose pictures are compared
INTERVAL = (
    "Intervals are of 95 %, and know that pictures of one core prompt may be right or wrong "
    "together."
)


def judge(folder: Path, against: Path | None) -> int:
    """Judge a run, print the shares and write its verdicts; the command's exit status. Raises
    RecordError, ScenarioError, ModelError, OptionError."""
    if against is not None and folder.resolve() == against.resolve():
        raise OptionError(f"--against {against}: that is the run itself")
    if against is not None:
        _require_common(folder, against)  # before minutes of judging
    folders = [folder, *(() if against is None else (against,))]
    runs = []
    for one in folders:
        with progress_bar(f"judging the pictures of {one}") as advance:
            runs.append(judge_run(one, advance))
    run = runs[0]
    _show(run)
    if run.references:
        with_reference = [
            (run.references[one.row["request_id"]], one.outcome)
            for one in run.pictures
            if one.row["request_id"] in run.references
        ]
        print(_difference("the same pictures made again without reuse", with_reference))
    if against is not None:
        print(_difference(f"{against} ({_about(runs[1])})", _pairs(runs[1], run)))
    print(INTERVAL)
    # last: what minutes of judging have found is on the screen where a folder cannot be written
    write_verdicts(run.folder, {one.row["request_id"]: one.finding for one in run.pictures})
    return 0


def _require_common(folder: Path, against: Path) -> None:
    """Raise OptionError where no request of a run is in the other, with its prompt and noise."""
    requests, others = (
        {tuple(row[name] for name in ("request_id", *SAME)) for row in read_run(one)[0]}
        for one in (folder, against)
    )
    if requests.isdisjoint(others):
        raise OptionError(
            f"--against {against}: no request of {folder} is in it, with its prompt and seed; play "
            f"the same scenario and seed, or meet the run's requests again: midstep run --replay "
            f"{folder}"
        )


def _pairs(first: JudgedRun, second: JudgedRun) -> list[tuple[Outcome, Outcome]]:
    """The pictures of two runs that were asked for by the same request, with the same noise.
    Raises RecordError where there is none."""
    others = {one.row["request_id"]: one for one in first.pictures}
    pairs = [
        (other.outcome, one.outcome)
        for one in second.pictures
        if (other := others.get(one.row["request_id"])) is not None
        and all(one.row[name] == other.row[name] for name in SAME)
    ]
    if not pairs:
        raise RecordError(f"no request has a picture in {first.folder} and in {second.folder}")
    return pairs


def _show(run: JudgedRun) -> None:
    """The table of shares: of all, by reuse, by step of the cut."""
    by_id = {one.row["request_id"]: one.outcome for one in run.pictures}
    rows = [one.row for one in run.pictures]
    groups: dict[str, Sequence[Row]] = {"all": rows, **by_reuse(rows)}
    if len(cuts := by_cut(rows)) > 1:
        groups |= {f"cut at {name}": members for name, members in cuts.items()}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for number, head in enumerate(("pictures", "n", "different", "right", "share", "95 %")):
        table.add_column(head, justify="right" if number else "left")
    for name, members in groups.items():
        table.add_row(name, *_cells(share([by_id[row["request_id"]] for row in members])))
    print(f"{run.folder}: {len(rows):,} pictures judged{_rest(run.without)}")
    Console().print(table)


def _cells(one: Share) -> Iterable[str]:
    interval = f"{one.low:.2%} to {one.high:.2%}"
    return (
        f"{one.count:,}",
        f"{one.different:,}",
        f"{one.right:,}",
        f"{one.mean:.2%}",
        interval,
    )


def _difference(what: str, pairs: Sequence[tuple[Outcome, Outcome]]) -> str:
    """A sentence on what the run's pictures are less than those without reuse."""
    gap: PairedShare = difference(pairs)
    return (
        f"Against {what}: {len(pairs):,} pairs, {gap.second.mean:.2%} right and "
        f"{gap.first.mean:.2%} there; {100 * gap.mean:+.2f} points ({100 * gap.low:+.2f} to "
        f"{100 * gap.high:+.2f})."
    )


def _about(run: JudgedRun) -> str:
    scenario = run.scenario
    reused = sum(one.row["reuse"] not in ("computed", "local") for one in run.pictures)
    return (
        f"policy {scenario.policy.name}, cut {scenario.cut.rule}, {reused:,} of "
        f"{len(run.pictures):,} reused"
    )


def _rest(without: Mapping[str, int]) -> str:
    return "".join(f"; {count:,} {why}" for why, count in without.items())
