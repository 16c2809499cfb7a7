"""A run whose pictures were judged, all that its folder has."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from midstep.errors import OptionError, RecordError
from midstep.scenario import Scenario
from orchestrator.evaluation.judging.shares import Outcome
from orchestrator.records.folders import read_scenario
from orchestrator.records.picture_judge import Finding, PictureJudge, Sample
from orchestrator.records.run_reader import read_run
from orchestrator.records.warm_up import after_warm_up

__all__ = ["Judged", "JudgedRun", "judge_run"]

REFERENCE = "-reference"  # in the name of a picture that was made again without reuse


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A finished request whose picture was judged."""

    row: dict[str, Any]
    finding: Finding
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


def judge_run(folder: Path, advance: Callable[[float], None] = lambda _: None) -> JudgedRun:
    """Judge every picture of a run's finished requests that were due after its warm-up. Raises
    RecordError, ScenarioError, ModelError; OptionError where nobody can judge them."""
    scenario = read_scenario(folder)
    rows = after_warm_up(scenario, read_run(folder)[0])
    eye = PictureJudge.of(scenario)
    if eye is None:
        raise OptionError(
            f"{folder}: nobody can judge its pictures: {_why_not(scenario)}; report.references "
            f"compares pictures of any model with those without reuse"
        )
    done = [row for row in rows if row["result"] == "done"]
    samples: list[tuple[dict[str, Any], bool, Sample]] = []
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
        samples.append((row, False, Sample(spec, own)))
        reference = _read(folder, f"{row['request_id']}{REFERENCE}")
        if reference is not None:
            samples.append((row, True, Sample(spec, reference)))
    if not samples:
        why = "; ".join(f"{count} {reason}" for reason, count in without.items())
        raise RecordError(
            f"{folder}: no picture to judge ({why or 'no request was finished'}); a run keeps them "
            f"with report.images: true"
        )
    pictures = []
    references = {}
    verdicts = eye.judge([one for _, _, one in samples], advance)
    for (row, again, one), finding in zip(samples, verdicts, strict=True):
        if finding is None:
            without["are damaged, or of another size than the catalogue's renders"] += not again
            continue
        noise = row.get("donor_key") or row["prompt_key"]  # with which it began
        outcome = Outcome(right=finding.right, picture=_digest(one), group=noise)
        if again:
            references[row["request_id"]] = outcome
        else:
            pictures.append(Judged(row=row, finding=finding, outcome=outcome))
    return JudgedRun(
        folder=folder,
        scenario=scenario,
        pictures=pictures,
        references=references,
        without=without,
    )


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


def _digest(one: Sample) -> str:
    return hashlib.blake2b(one.png, digest_size=16).hexdigest() + repr(one.spec)
