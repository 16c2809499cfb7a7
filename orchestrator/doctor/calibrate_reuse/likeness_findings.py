"""What a table of reuse says of other prompts' outputs, in lines of Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from midstep.reuse.likeness import LIKENESS
from midstep.reuse.limits import class_limit
from midstep.reuse.table import FLOORS, ReuseTable
from orchestrator.doctor.calibrate_reuse.markdown import TITLES, by_step, row, rule

__all__ = ["likeness_findings"]

SHARES = (0.9, 0.95, 0.99)
SSIM = (0.9, 0.8)  # what the autoencoder alone leaves in bad cases, and a looser one


def likeness_findings(table: ReuseTable) -> list[str]:
    """The lines; none where no class of likeness was measured."""
    classes = [kind for kind in LIKENESS if kind in table.kinds]
    if not classes:
        return []
    shares = " / ".join(f"{share:g}" for share in SHARES)
    lines = [
        f"Another prompt's output: limits by what the two edge prompts have in common, with a "
        f"share of {shares} by the low end of the 95 % interval (a dash: too few pictures):",
        "",
        *_limits(table, classes),
        "",
    ]
    for metric in table.metrics:
        if any(table.pairs(kind, metric) for kind in classes):
            lines += [f"{TITLES[metric]}:", "", *by_step(table, metric, classes), ""]
    return lines


def _limits(table: ReuseTable, classes: Sequence[str]) -> Iterator[str]:
    """A row a class, a column a floor."""
    floors = [(m, FLOORS[m]) for m in table.metrics if m != "ssim"]
    if "ssim" in table.metrics:
        floors += [("ssim", floor) for floor in SSIM]
    yield row(["in common", *(f"{metric} {floor:g}" for metric, floor in floors)])
    yield rule(1 + len(floors))
    for kind in classes:
        yield row([kind, *(_by_share(table, kind, quality) for quality in floors)])


def _by_share(table: ReuseTable, kind: str, quality: tuple[str, float]) -> str:
    limits = [class_limit(table, kind, quality, share) for share in SHARES]
    return " / ".join("-" if limit is None else str(limit) for limit in limits)
