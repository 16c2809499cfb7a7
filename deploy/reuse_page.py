"""Write what the shipped model's table of reuse says: the tables of docs/reuse.md, docs/reuse.csv,
and the drawings; `--check` compares the first two."""

from __future__ import annotations

import csv
import io
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.generated import settle
from midstep.diffusion.pipelines import MODELS
from midstep.reuse.likeness import SAME_OBJECT, SAME_PLACEMENT, SAME_SCENE, UNRELATED
from midstep.reuse.limits import TABLE, class_limit
from midstep.reuse.table import ReuseTable
from midstep.scenario import Reuse
from orchestrator.doctor.calibrate_reuse.findings import findings, rows

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reuse.md"
CSV = ROOT / "docs" / "reuse.csv"
FIGURES = ROOT / "docs" / "figures"
START = "<!-- measured: python -m deploy.reuse_page -->"
END = "<!-- end -->"
MODEL = "midstep-emoji"
COMMAND = "python -m deploy.reuse_page"
# for the colour-blind (Okabe and Ito 2008), and told apart in grey by their marks
MARKS: tuple[dict[str, Any], ...] = (
    {"color": "#0072b2", "marker": "o"},
    {"color": "#e69f00", "marker": "s"},
    {"color": "#009e73", "marker": "^"},
    {"color": "#000000", "marker": "x"},
)
AXES = {"psnr": "PSNR, dB", "ssim": "SSIM"}


@dataclass(frozen=True)
class Drawing:
    """A file, the metric on its right, and the classes that it shows, each in its style."""

    path: Path
    beside: str
    styles: dict[str, dict[str, Any]]


DRAWINGS = (
    Drawing(
        FIGURES / "reuse.svg",
        "psnr",
        dict(zip(("size", "position", "size and position", "variation"), MARKS, strict=True)),
    ),
    Drawing(
        FIGURES / "likeness.svg",
        "ssim",
        dict(zip((SAME_OBJECT, SAME_SCENE, SAME_PLACEMENT, UNRELATED), MARKS, strict=True)),
    ),
)


def main() -> int:
    """Write, or compare; the exit status as `settle` has it."""
    table = ReuseTable.load(MODELS / MODEL / TABLE)
    reuse = Reuse()
    head, _, rest = PAGE.read_text().partition(START)
    tail = rest.partition(END)[2]
    lines = "\n".join(findings(table, reuse))
    if "--check" not in sys.argv:
        for drawing in DRAWINGS:
            draw(table, drawing, reuse.share)
    return settle({PAGE: f"{head}{START}\n\n{lines}\n\n{END}{tail}", CSV: _csv(table)}, COMMAND)


def draw(table: ReuseTable, drawing: Drawing, share: float) -> None:
    """Draw fidelity by step with its interval, the limits, and beside it the likeness to the
    picture without reuse, as an SVG."""
    from matplotlib.figure import Figure

    from orchestrator.records.canvas import svg_of

    figure = Figure(figsize=(9.4, 3.6), layout="constrained")
    right, beside = figure.subplots(1, 2)
    for kind in table.kinds:
        if kind not in drawing.styles:
            continue
        style = drawing.styles[kind]
        _line(right, table, (kind, "fidelity"), style)
        _line(beside, table, (kind, drawing.beside), style)
        limit = class_limit(table, kind, ("fidelity", 1), share)
        if limit:
            right.axvline(limit, color=style["color"], lw=0.8, ls=":")
    right.axhline(100 * share, color="#888888", lw=0.8)
    right.set_ylabel("right pictures, %")
    beside.set_ylabel(AXES[drawing.beside])
    right.legend(fontsize=7, frameon=False)
    for axes in (right, beside):
        axes.set_xlabel("step at which the shared output is handed over")
        axes.set_xticks(range(1, table.steps, 2))
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#e6e6e6", lw=0.6)
    figure.supxlabel(
        "left: pictures that show what their prompt says, 95 % intervals, limits dotted; "
        "right: against the picture without reuse, mean and down to the 5th percentile",
        fontsize=7,
        color="#555555",
    )
    drawing.path.write_text(svg_of(figure))


def _line(axes: Any, table: ReuseTable, of: tuple[str, str], style: dict[str, Any]) -> None:
    """Draw a class and metric over the steps: share and interval, or mean and 5th percentile."""
    kind, metric = of
    cells = [cell for step in range(1, table.steps) if (cell := table.cell(kind, metric, step))]
    if not cells:
        return
    steps = [cell.step for cell in cells]
    if metric == "fidelity":
        middle = [100 * cell.mean for cell in cells]
        bounds = [cell.bounds(1) for cell in cells]
        below = [max(0.0, m - 100 * low) for m, (low, _) in zip(middle, bounds, strict=True)]
        above = [max(0.0, 100 * high - m) for m, (_, high) in zip(middle, bounds, strict=True)]
    else:
        middle = [cell.mean for cell in cells]
        below = [max(0.0, cell.mean - cell.p05) for cell in cells]
        above = [0.0] * len(cells)
    axes.errorbar(steps, middle, [below, above], label=kind, ms=3.5, lw=1, elinewidth=0.6, **style)


def _csv(table: ReuseTable) -> str:
    text = io.StringIO()
    lines = [*rows(table)]
    writer = csv.DictWriter(text, [*lines[0]], lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


if __name__ == "__main__":
    sys.exit(main())
