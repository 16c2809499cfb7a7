"""`midstep judge`: whether the pictures of a run show what their prompts say, all of them; and what
reuse takes away, against the same requests without it."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from midstep.errors import OptionError, RecordError
from midstep.scenario import Scenario
from orchestrator.evaluation.judging.shares import (
    Outcome,
    PairedShare,
    Share,
    difference,
    share,
)
from orchestrator.evaluation.judging.verdicts import write_verdicts
from orchestrator.records.folders import read_scenario
from orchestrator.records.picture_judge import Asked, PictureJudge, Seen
from orchestrator.records.recorder import read_run
from orchestrator.records.request_plots import by_cut, by_reuse
from orchestrator.records.warm_up import after_warm_up
from orchestrator.watch.progress_bar import progress_bar

__all__ = ["JudgedRun", "judge", "judge_run"]

Row = Mapping[str, Any]
REFERENCE = "-reference"  # in the name of a picture that was made again without reuse
SAME = ("prompt", "seed", "variation_seed")  # of requests whose pictures are compared
INTERVAL = (
    "Intervals are of 95 %, and know that pictures of one core prompt may be right or wrong "
    "together."
)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A finished request whose picture was judged."""

    row: dict[str, Any]
    seen: Seen
    outcome: Outcome


@dataclass(frozen=True, kw_only=True)
class JudgedRun:
    """A run whose pictures were judged. `without`: why finished requests have no verdict, with
    their number; `references`: verdicts on the pictures made again without reuse, by request."""

    folder: Path
    scenario: Scenario
    pictures: Sequence[Judged]
    references: Mapping[str, Outcome]
    without: Mapping[str, int]


def judge(folder: Path, against: Path | None) -> int:
    """Judge a run, print the shares and write its verdicts; the command's exit status. Raises
    RecordError, ScenarioError, OptionError."""
    if against is not None and folder.resolve() == against.resolve():
        raise OptionError(f"--against {against}: that is the run itself")
    folders = [folder, *(() if against is None else (against,))]
    runs = []
    for one in folders:
        with progress_bar(f"judging the pictures of {one}") as advance:
            runs.append(judge_run(one, advance))
    run = runs[0]
    pairs = [] if against is None else _pairs(runs[1], run)  # a mistake comes before a write
    write_verdicts(run.folder, {one.row["request_id"]: one.seen for one in run.pictures})
    _show(run)
    if run.references:
        with_reference = [
            (run.references[one.row["request_id"]], one.outcome)
            for one in run.pictures
            if one.row["request_id"] in run.references
        ]
        print(_difference("the same pictures made again without reuse", with_reference))
    if against is not None:
        print(_difference(f"{against} ({_about(runs[1])})", pairs))
    print(INTERVAL)
    return 0


def judge_run(folder: Path, advance: Callable[[float], None] = lambda _: None) -> JudgedRun:
    """Judge every picture of a run's finished requests that were due after its warm-up. Raises
    RecordError, ScenarioError; OptionError where nobody can judge them."""
    scenario = read_scenario(folder)
    rows = after_warm_up(scenario, read_run(folder)[0])
    eye = PictureJudge.of(scenario)
    if eye is None:
        raise OptionError(
            f"{folder}: nobody can judge its pictures: {_why_not(scenario)}; report.references "
            f"compares pictures of any model with those without reuse"
        )
    done = [row for row in rows if row["result"] == "done"]
    asked: list[tuple[dict[str, Any], bool, Asked]] = []
    without = defaultdict[str, int](int)
    for row in done:
        spec = eye.spec(row)
        if spec is None:
            without["ask for something outside the catalogue"] += 1
            continue
        own = _read(folder, row["request_id"])
        if own is None:
            without["have no picture in images/"] += 1
            continue
        asked.append((row, False, Asked(spec, own)))
        reference = _read(folder, f"{row['request_id']}{REFERENCE}")
        if reference is not None:
            asked.append((row, True, Asked(spec, reference)))
    if not asked:
        why = "; ".join(f"{count} {reason}" for reason, count in without.items())
        raise RecordError(
            f"{folder}: no picture to judge ({why or 'no request was finished'}); a run keeps them "
            f"with report.images: true"
        )
    pictures = []
    references = {}
    verdicts = eye.judge([one for _, _, one in asked], advance)
    for (row, again, one), seen in zip(asked, verdicts, strict=True):
        if seen is None:
            without["are of another size than the catalogue's renders"] += not again
            continue
        outcome = Outcome(right=seen.right, picture=_digest(one), group=row["prompt_key"])
        if again:
            references[row["request_id"]] = outcome
        else:
            pictures.append(Judged(row=row, seen=seen, outcome=outcome))
    return JudgedRun(
        folder=folder,
        scenario=scenario,
        pictures=pictures,
        references=references,
        without=without,
    )


def _pairs(first: JudgedRun, second: JudgedRun) -> list[tuple[Outcome, Outcome]]:
    """The pictures of two runs that were asked for by the same request, with the same noise.
    Raises OptionError where there is none."""
    others = {one.row["request_id"]: one for one in first.pictures}
    pairs = [
        (other.outcome, one.outcome)
        for one in second.pictures
        if (other := others.get(one.row["request_id"])) is not None
        and all(one.row[name] == other.row[name] for name in SAME)
    ]
    if not pairs:
        raise OptionError(
            f"--against {first.folder}: no request of {second.folder} is in it, with its prompt "
            f"and seed; play the same scenario and seed, or meet the run's requests again: "
            f"midstep run --replay {second.folder}"
        )
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


def _why_not(scenario: Scenario) -> str:
    if scenario.modes.denoiser != "real":
        return "they are paced, nothing was drawn (modes.denoiser: real draws)"
    return f"{scenario.model.path} has no catalogue of its own that can be drawn"


def _read(folder: Path, name: str) -> bytes | None:
    if Path(name).name != name:  # a stranger's record may point anywhere
        return None
    try:
        return (folder / "images" / f"{name}.png").read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RecordError(f"{folder}: {name}.png cannot be read: {error.strerror}") from error


def _digest(one: Asked) -> str:
    return hashlib.blake2b(one.png, digest_size=16).hexdigest() + repr(one.spec)
