"""The report's section on requests that other prompts' outputs served: how alike the prompts were,
how far the outputs had come, and what became of the pictures that were compared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from midstep.scenario import Scenario
from orchestrator.records.markup import section, table

__all__ = ["like_prompts"]

Rows = Sequence[Mapping[str, Any]]

HEAD = [
    "likeness",
    "n",
    "of these resumed",
    "similarity",
    "step of the output",
    "steps saved",
    "compared",
    "SSIM, mean (least)",
    "right",
]


def like_prompts(scenario: Scenario, done: Rows) -> str:
    """The section, as HTML, by likeness, the most frequent first; nothing where no other prompt's
    output served."""
    by_likeness = defaultdict[str, list[Mapping[str, Any]]](list)
    for row in done:
        if row.get("donor_key") is not None:
            by_likeness[str(row["likeness"])].append(row)
    if not by_likeness:
        return ""
    ordered = sorted(by_likeness.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    served = [row for _, rows in ordered for row in rows]
    lines = [_line(likeness, rows) for likeness, rows in ordered]
    if len(lines) > 1:
        lines.append(_line("all", served))
    text = (
        f"{len(served) / len(done):.0%} of the pictures came from another prompt's output, by the "
        f"rule {scenario.reuse.similar}: as it was, or gone on from with the request's own prompt "
        f"(resumed). Compared are those that were made again without reuse."
    )
    return section(
        "Served by other prompts' outputs", f"<p class=note>{escape(text)}</p>{table(HEAD, lines)}"
    )


def _line(likeness: str, rows: Rows) -> list[str]:
    ssim = _known(rows, "ssim")
    right = _known(rows, "fidelity")
    return [
        likeness,
        f"{len(rows):,}",
        f"{np.mean([row['reuse'] == 'resumed' for row in rows]):.0%}",
        f"{np.mean([row['similarity'] for row in rows]):.3f}",
        f"{np.mean([row['reused_step'] for row in rows]):.1f}",
        f"{np.mean([row['saved_steps'] for row in rows]):.1f}",
        f"{len(_known(rows, 'psnr_db')):,}",
        f"{np.mean(ssim):.2f} ({min(ssim):.2f})" if ssim else "-",
        f"{sum(right):.0f} of {len(right)}" if right else "-",
    ]


def _known(rows: Rows, column: str) -> list[float]:
    """The values of a column that there are."""
    return [row[column] for row in rows if row.get(column) is not None]
