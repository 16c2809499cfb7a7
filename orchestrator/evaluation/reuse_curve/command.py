"""`midstep reuse-curve`: decide, draw, and say what every rule saved and lost."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from midstep.errors import EXIT_MISSED, OptionError, RecordError
from midstep.scenario import Scenario
from orchestrator.evaluation.reuse_curve import page
from orchestrator.evaluation.reuse_curve.bench import Bench, ReuseCurve
from orchestrator.evaluation.reuse_curve.keepers import KEEPERS
from orchestrator.evaluation.reuse_curve.measuring import Measuring, missing_places
from orchestrator.evaluation.reuse_curve.pair_journal import PairJournal, Place
from orchestrator.evaluation.reuse_curve.points import ORACLE, STAIRCASE, sweep
from orchestrator.evaluation.reuse_curve.scores import (
    Replayed,
    Score,
    place_of,
    sample,
    score,
)
from orchestrator.evaluation.reuse_curve.stream import Stream, catalogue_stream, listed_stream
from orchestrator.records.folders import write_at_once
from orchestrator.watch.progress_bar import progress_bar

__all__ = ["ReuseCurve", "reuse_curve"]

SMALLEST = 8  # requests of the first round of pictures
OF_ORACLE = 64  # requests that the oracle is asked about


def reuse_curve(wish: ReuseCurve) -> int:
    """The command; its exit status: 1 where the time was over before all pictures were drawn.
    Raises OptionError, ScenarioError, ModelError, RecordError."""
    began = time.monotonic()
    if wish.scenario.modes.denoiser == "paced":
        raise OptionError("reuse-curve: modes.denoiser paced computes no pictures; set it to real")
    if wish.keep not in KEEPERS:
        raise OptionError(f"--keep {wish.keep[:60]}: give {' or '.join(KEEPERS)}")
    stream = _stream(wish, wish.scenario)
    denoiser, run = wish.open_drawing(wish.scenario)
    bench = Bench(wish, stream, denoiser)
    drawn = bench.drawn() if STAIRCASE in wish.rules else {}
    steps = denoiser.identity.steps
    points = sweep(wish.rules, wish.embeddings, wish.qualities, bench.table, steps, drawn)
    replayed = list(bench.replayed(points))
    _write(wish.out, _scores(replayed, stream, bench, []), bench.title)
    if not wish.sample:
        print(f"wrote {wish.out}")
        return 0
    journal = bench.journal
    measuring = Measuring(denoiser, run, stream.noise, bench.judged, journal)
    size = min(SMALLEST, wish.sample)
    whole: list[int] = []  # requests of which every point has its picture
    done = True
    while done:
        chosen = sample(stream.counted, size)
        places = _places(replayed, stream, chosen)
        left_s = wish.hours * 3600 - (time.monotonic() - began)
        with progress_bar(f"pictures of {len(chosen)} requests") as advance:
            done = measuring.measure(places, left_s, advance)
        if done or not whole:
            whole = [n for n in chosen if not _missing(replayed, stream, journal, n)]
        _write(wish.out, _scores(replayed, stream, bench, whole), bench.title)
        if size >= min(wish.sample, stream.counted):
            break
        size = min(2 * size, wish.sample)
    if ORACLE in wish.rules and done:
        left_s = wish.hours * 3600 - (time.monotonic() - began)
        some = sample(stream.counted, min(OF_ORACLE, wish.sample))
        before = len(replayed)
        replayed += bench.sought(measuring, some, left_s)
        done = len(replayed) > before
        _write(wish.out, _scores(replayed, stream, bench, whole), bench.title)
    print(f"wrote {wish.out}")
    if not done:
        _say(f"stopped after {wish.hours:g} h: call again to go on")
        return EXIT_MISSED
    return 0


def _stream(wish: ReuseCurve, scenario: Scenario) -> Stream:
    if wish.prompts is None:
        return catalogue_stream(scenario, wish.requests, wish.warm_up)
    return listed_stream(wish.prompts, scenario, wish.requests, wish.warm_up)


def _places(replayed: Sequence[Replayed], stream: Stream, chosen: Sequence[int]) -> Iterator[Place]:
    """The pictures that the points give the chosen requests, and those of requests without reuse,
    the first requests first."""
    requests = stream.requests[stream.warm_up :]
    for n in chosen:
        yield Place(requests[n].edge_prompt, requests[n].prompt, 0)
        for one in replayed:
            yield place_of(one.rows[n], requests[n])


def _missing(
    replayed: Sequence[Replayed], stream: Stream, journal: PairJournal, number: int
) -> bool:
    """Whether some point's picture of a request was not drawn."""
    return bool(missing_places(journal, _places(replayed, stream, [number])))


def _scores(
    replayed: Sequence[Replayed], stream: Stream, bench: Bench, chosen: Sequence[int]
) -> list[Score]:
    requests = stream.requests[stream.warm_up :]
    journal = bench.journal
    return [
        score(one, requests, journal.drawn, chosen, bench.expectation, journal.picture)
        for one in replayed
    ]


def _write(folder: Path, scores: Sequence[Score], title: str) -> None:
    """Leave the tables, and the drawing where pictures were drawn."""
    files = {"curve.md": page.page(scores, title), "curve.csv": page.csv_of(scores)}
    if any(one.ssim_loss is not None or one.expected_ssim is not None for one in scores):
        files["curve.svg"] = page.drawing(scores)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            write_at_once(folder / name, text)
    except OSError as error:
        raise RecordError(f"--out {folder}: cannot be written: {error.strerror}") from error


def _say(text: str) -> None:
    print(f"midstep: {text}", file=sys.stderr, flush=True)
