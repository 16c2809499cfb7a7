"""The report's section on outputs that edges fetched from each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from orchestrator.records.markup import section, table

__all__ = ["neighbours"]

Rows = Sequence[Mapping[str, Any]]

HEAD = [
    "edge",
    "from",
    "n",
    "of its requests",
    "of these resumed",
    "steps saved",
    "fetch (ms)",
    "backhaul (kB)",
]


def neighbours(done: Rows) -> str:
    """The section, as HTML, by edge and neighbour; nothing where none served another's request."""
    pairs = defaultdict[tuple[str, str], list[Mapping[str, Any]]](list)
    requests = defaultdict[str, int](int)
    for row in done:
        requests[row["edge"]] += 1
        if row.get("from_edge") is not None:
            pairs[row["edge"], row["from_edge"]].append(row)
    if not pairs:
        return ""
    served = [row for rows in pairs.values() for row in rows]
    lines = [
        [edge, other, *_figures(rows, requests[edge])]
        for (edge, other), rows in sorted(pairs.items())
    ]
    if len(lines) > 1:
        lines.append(["all", "", *_figures(served, len(done))])
    text = (
        f"{len(served) / len(done):.0%} of the pictures began with an output from a neighbour: as "
        f"it was, or gone on from (resumed). The fetch is part of the edge's time; bytes count for "
        f"the request that asked first."
    )
    return section("Outputs from neighbours", f"<p class=note>{text}</p>{table(HEAD, lines)}")


def _figures(rows: Rows, requests: int) -> list[str]:
    return [
        f"{len(rows):,}",
        f"{len(rows) / requests:.0%}",
        f"{np.mean([row['reuse'] == 'resumed' for row in rows]):.0%}",
        f"{np.mean([row['saved_steps'] for row in rows]):.1f}",
        f"{1e3 * np.mean([row['backhaul_s'] for row in rows]):.1f}",
        f"{sum(row['backhaul_bytes'] for row in rows) / 1e3:,.0f}",
    ]
