"""Tables in Markdown of what a table of reuse has by class and step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from midstep.reuse.table import ReuseTable

__all__ = ["TITLES", "by_step", "row", "rule"]

TITLES = {
    "fidelity": "Pictures that show what their prompt says, of those drawn",
    "psnr": "PSNR against the picture without reuse, dB: mean / 5th percentile (pictures)",
    "ssim": "SSIM against the picture without reuse: mean / 5th percentile (pictures)",
}


def by_step(table: ReuseTable, metric: str, classes: Sequence[str]) -> Iterator[str]:
    """A row a step, a column a class."""
    kinds = [kind for kind in classes if table.pairs(kind, metric)]
    yield row(["step", *kinds])
    yield rule(1 + len(kinds))
    for step in range(table.steps):
        cells = [_cell(table, kind, metric, step) for kind in kinds]
        if any(cells):
            yield row([str(step) if step else "no reuse", *cells])


def _cell(table: ReuseTable, kind: str, metric: str, step: int) -> str:
    cell = table.cell(kind, metric, step)
    if cell is None:
        return ""
    if metric == "fidelity":
        right = cell.at_least(1)
        low, high = cell.bounds(1)
        return f"{right} of {cell.count} ({low:.1%} to {high:.1%})"
    digits = 1 if metric == "psnr" else 3
    return f"{cell.mean:.{digits}f} / {cell.p05:.{digits}f} ({cell.count})"


def row(cells: Sequence[str]) -> str:
    """A row of a table."""
    return f"| {' | '.join(cells)} |"


def rule(columns: int) -> str:
    """The line below a table's head."""
    return "|" + "---|" * columns
