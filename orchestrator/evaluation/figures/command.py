"""`midstep reproduce`: the paper's figures, each as a table and a picture, and its claims beside
our numbers."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from midstep.errors import EXIT_INTERRUPTED, OptionError, RecordError
from midstep.machine import usable_cores
from orchestrator.evaluation.figures import claims, page, sweeps, values
from orchestrator.evaluation.figures.sweeps import Sweep
from orchestrator.evaluation.figures.values import Effort, Values
from orchestrator.evaluation.simulator import presets
from orchestrator.evaluation.simulator.many import Progress, Workers, summarised
from orchestrator.records import summary
from orchestrator.records.folders import claim_folder, released_on_failure
from orchestrator.records.versions import versions
from orchestrator.watch.progress_bar import progress_bar

__all__ = ["FIGURES", "PAPER", "QUICK", "about", "chosen", "effort", "reproduce"]

MARKER = "summary.json"
FIGURES = ("fig5", "fig6", "fig7", "fig8", "fig9", "fig10")
# others reuse what these have simulated
DEAREST_FIRST = ("fig8", "fig9", "fig10", "fig6", "fig5", "fig7")
PAPER = Effort()
QUICK = Effort(seeds=3, slots=1_500, pictures=16, quick=True)


def effort(quick: bool, seeds: int | None, slots: int | None) -> Effort:
    """How much is simulated. Raises OptionError."""
    base = QUICK if quick else PAPER
    work = Effort(
        base.seeds if seeds is None else seeds,
        base.slots if slots is None else slots,
        base.pictures,
        quick,
    )
    if work.seeds < 2 or work.slots < 50:
        raise OptionError(
            f"--seeds {work.seeds} --slots {work.slots}: at least 2 seeds (for intervals) and 50 "
            f"slots"
        )
    return work


def chosen(names: Sequence[str]) -> list[str]:
    """The figures that are meant, in the paper's order. Raises OptionError."""
    for name in names:
        if name not in (*FIGURES, "all"):
            raise OptionError(f"no figure {name!r}; there is {', '.join(FIGURES)}, all")
    return [figure for figure in FIGURES if not names or "all" in names or figure in names]


def reproduce(
    names: Sequence[str], work: Effort, out: str | None, policies: Sequence[str] | None = None
) -> int:
    """The command's exit status. A figure is on disk as soon as it is done; one that lies in `out`
    already, of as many seeds and slots, is not simulated again. `policies`: what the sweeps
    compare. Raises OptionError or RecordError, one line."""
    swept = sweeps.only(policies)
    figures = [figure for figure in chosen(names) if figure in swept or figure not in sweeps.SWEEPS]
    if not figures:
        raise OptionError(
            f"--policies {','.join(policies or ())}: {', '.join(names)} compares none of them"
        )
    folder = _folder(out)
    if work.quick:
        print(
            f"quick: {work.seeds} seeds, {work.slots} slots, where the paper has {PAPER.seeds} and "
            f"{PAPER.slots}"
        )
    try:
        with released_on_failure(folder, MARKER):
            return _play_all(figures, swept, work, folder)
    except OSError as error:
        raise RecordError(f"{folder}: cannot be written: {error}") from error


def _folder(out: str | None) -> Path:
    """A new folder; or `--out`, which may hold figures that an earlier command left. Raises
    OptionError."""
    if out is None:
        return claim_folder("reproduce", None, MARKER)
    try:
        Path(out).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OptionError(f"--out {out}: the folder cannot be made: {error}") from error
    return Path(out)


def _play_all(
    figures: Sequence[str], swept: Mapping[str, Sweep], work: Effort, folder: Path
) -> int:
    """Every figure, then the claims and the summary; the command's exit status."""
    began = time.perf_counter()
    done = dict[str, Values]()
    status = 0
    known: sweeps.Known = {}
    try:
        with Workers() as workers:
            for figure in sorted(figures, key=DEAREST_FIRST.index):
                done[figure] = _figure(figure, work, folder, swept.get(figure), known, workers)
    except KeyboardInterrupt:
        print(f"\nstopped; what was finished is in {folder}, and --out {folder} goes on from there")
        status = EXIT_INTERRUPTED
    rows = claims.all_claims(done)
    run = about(done, work, time.perf_counter() - began)
    page.write(folder, rows, run)
    summary.write(folder, {"policies": _base(done), "run": run})
    if rows:
        _show(rows, work)
    print(f"{run['wall_s']:.0f} s; {folder / 'claims.md'}")
    return status


def _figure(
    figure: str,
    work: Effort,
    folder: Path,
    sweep: Sweep | None,
    known: sweeps.Known,
    workers: Workers,
) -> Values:
    """Simulate, write and draw one."""
    from orchestrator.evaluation.figures import draw

    seeds, slots = (work.pictures, page.STEPS) if figure == "fig7" else (work.seeds, work.slots)
    numbers = values.load(folder, figure, seeds, slots)
    if numbers is not None and sweep is not None:
        sweeps.remember(sweep, numbers, known)
    if numbers is None or (
        sweep is not None and not set(sweep.policies) <= set(numbers.policies())
    ):
        title = (
            f"{figure}, {seeds} prompts"
            if figure == "fig7"
            else f"{figure}, {seeds} seeds, {slots} slots"
        )
        with progress_bar(title) as advance:
            numbers = _play(figure, work, sweep, known, workers, advance)
        numbers.save(folder)
        print(f"{figure}: {numbers.wall_s:.0f} s; {folder / f'{figure}.png'}", flush=True)
    else:
        print(f"{figure}: simulated before; {folder / f'{figure}.png'}", flush=True)
    draw.draw(numbers, work, folder / f"{figure}.png")
    return numbers


def _play(
    figure: str,
    work: Effort,
    sweep: Sweep | None,
    known: sweeps.Known,
    workers: Workers,
    progress: Progress,
) -> Values:
    if sweep is not None:
        return sweeps.play(sweep, work, known, workers, progress)
    from orchestrator.evaluation.figures import convergence, quality  # the model, torch

    return (
        convergence.play(work, workers, progress)
        if figure == "fig5"
        else quality.play(work, progress)
    )


def _base(done: dict[str, Values]) -> dict[str, dict[str, Any]]:
    """`policies` of summary.json: the point that the sweeps share, 20 users, S* = 6, 3 G, V = 1800
    ms."""
    for figure, x in (("fig8", 20), ("fig9", 6), ("fig10", 3), ("fig6", 1800)):
        if figure in done:
            return summarised(done[figure].points[done[figure].x.index(x)])
    return {}


def about(done: dict[str, Values], work: Effort, wall_s: float) -> dict[str, Any]:
    """`run` of summary.json."""
    preset = presets.find("compact")
    return {
        "name": "reproduce",
        "figures": sorted(done, key=FIGURES.index),
        "quick": work.quick,
        "preset": preset.name,
        "modes": {"edge": preset.edge, "timing": preset.timing},
        "seeds": list(range(work.seeds)),
        "slots": work.slots,
        "warmup": work.warmup,
        "wall_s": round(wall_s, 3),
        "cores": usable_cores(),
        "figure_wall_s": {figure: round(v.wall_s, 1) for figure, v in done.items()},
        "versions": versions(),
    }


def _show(rows: Sequence[claims.Claim], work: Effort) -> None:
    table = Table(title="the paper's claims" + (" (quick run)" if work.quick else ""))
    for column in ("figure", "claim", "paper", "ours", "verdict"):
        table.add_column(column, overflow="fold")
    for claim in rows:
        table.add_row(
            claim.figure, claim.claim, claim.paper, claim.finding.ours, claim.finding.verdict
        )
    Console().print(table)
