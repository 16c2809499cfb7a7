"""The command `midstep replay`: play, print the table, leave summary.json."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table

from midstep.errors import OptionError
from orchestrator import policies
from orchestrator.evaluation.replay.drivers import Score, play
from orchestrator.evaluation.replay.trace import Trace, problem, read_trace
from orchestrator.records import summary
from orchestrator.records.folders import claim_folder, released_on_failure
from orchestrator.records.versions import versions
from orchestrator.watch.progress_bar import progress_bar

__all__ = ["replay"]

MARKER = "summary.json"
LONG = 200_000  # rows in all from which on progress is shown


def replay(
    path: str,
    capacities: Sequence[int],
    names: Sequence[str],
    seed: int = 0,
    out: str | None = None,
) -> int:
    """The command: play, print the table, leave summary.json; its exit status. Raises OptionError
    for bad input."""
    trace = read_trace(path)
    for name in names:
        for capacity in capacities:
            policies.check(name, problem(trace, capacity), "replay", "--policies")
    folder = claim_folder(f"replay-{trace.name}", out, MARKER)
    started = time.perf_counter()
    with released_on_failure(folder, MARKER):
        scores = list(_shown(trace, capacities, names, seed))
        wall_s = time.perf_counter() - started
        _print(trace, scores)
        try:
            summary.write(folder, _summary(path, trace, scores, seed, wall_s))
        except OSError as error:
            raise OptionError(f"--out {folder}: {MARKER} cannot be written: {error}") from error
    print(f"summary: {folder / MARKER}")
    return 0


def _shown(
    trace: Trace, capacities: Sequence[int], names: Sequence[str], seed: int
) -> Iterator[Score]:
    """Every policy at every capacity, with its progress where it takes long."""
    total = len(trace.keys) * len(names) * len(capacities)
    title = f"{trace.name}, {len(names)} policies, {len(capacities)} capacities"
    shown = progress_bar(title) if total >= LONG else contextlib.nullcontext(_ignore)
    with shown as advance:
        for name in names:
            for capacity in capacities:
                yield play(
                    policies.find(name)(),
                    trace,
                    capacity,
                    seed,
                    lambda rows: advance(rows / total),
                )


def _ignore(share: float) -> None:
    """Show nothing."""


def _print(trace: Trace, scores: Sequence[Score]) -> None:
    empty = f"; {trace.skipped} empty lines skipped" if trace.skipped else ""
    print(f"{trace.name}: {len(trace.keys)} rows, {trace.distinct} distinct keys{empty}")
    table = Table(box=None, pad_edge=False)
    table.add_column("policy")
    for column in ("capacity", "hits", "hit ratio", "rows/s"):
        table.add_column(column, justify="right")
    for s in scores:
        table.add_row(
            s.policy, str(s.capacity), str(s.hits), f"{s.hit_ratio:.2%}", f"{s.rows_per_s:.3g}"
        )
    Console().print(table)


def _summary(
    path: str, trace: Trace, scores: Sequence[Score], seed: int, wall_s: float
) -> dict[str, object]:
    capacities = sorted({s.capacity for s in scores})

    def value(x: float) -> dict[str, float | None]:
        return {"mean": float(x), "ci95": None}

    return {
        "policies": {
            s.policy if len(capacities) == 1 else f"{s.policy}@{s.capacity}": {
                "hit_ratio": value(s.hit_ratio),
                "hits": value(s.hits),
                "requests": value(s.rows),
                "rows_per_s": value(round(s.rows_per_s)),
            }
            for s in scores
        },
        "run": {
            "name": f"replay-{trace.name}",
            "seed": seed,
            "seeds": [seed],
            "preset": "replay",
            "versions": versions(),
            "modes": {"timing": "access", "sizes": "unit"},
            "trace": path,
            "rows": len(trace.keys),
            "distinct": trace.distinct,
            "skipped": trace.skipped,
            "capacities": capacities,
            "wall_s": round(wall_s, 3),
        },
    }
