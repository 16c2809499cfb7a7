"""claims.md and claims.json: claim by claim, the paper's number, ours, the verdict and why."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from midstep.whole_file import write_at_once
from orchestrator.evaluation.figures.claims import Claim
from orchestrator.evaluation.figures.verdicts import CRITERIA, IN_FORM, NOT, REPRODUCED

__all__ = ["STEPS", "markdown", "write"]

STEPS = 20  # of the shipped model's pictures


def write(folder: Path, claims: Sequence[Claim], run: Mapping[str, Any]) -> None:
    """claims.json and claims.md in `folder`."""
    rows = [
        {
            "figure": c.figure,
            "claim": c.claim,
            "paper": c.paper,
            "ours": c.finding.ours,
            "mean": c.finding.mean,
            "ci95": c.finding.ci95 if c.finding.ci95 != float("inf") else None,
            "preset": c.preset,
            "modes": c.modes,
            "verdict": c.finding.verdict,
            "reason": c.finding.reason,
        }
        for c in claims
    ]
    text = json.dumps({"claims": rows, "run": dict(run)}, indent=1, allow_nan=False)
    write_at_once(folder / "claims.json", text + "\n")
    write_at_once(folder / "claims.md", markdown(claims, run))


def markdown(claims: Sequence[Claim], run: Mapping[str, Any]) -> str:
    """The table, what it was made with, and the criteria."""
    lines = ["# The paper's claims, and what comes out here", ""]
    if run["quick"]:
        much = f"{len(run['seeds'])} seeds and {run['slots']:,} slots"
        lines += [f"**A quick run: {much}; the paper has 12 and 10,000.**", ""]
    count = Counter(claim.finding.verdict for claim in claims)
    lines += [
        f"{len(claims)} claims: "
        + ", ".join(f"{count[v]} {v}" for v in (REPRODUCED, IN_FORM, NOT))
        + ".",
        "",
        f"{len(run['seeds'])} seeds, {run['slots']:,} slots, of which the first {run['warmup']:,} "
        f"are not measured "
        f"(Fig. 5: at most 3,000, all). Preset `{run['preset']}`, modes {run['modes']['edge']} and "
        f"{run['modes']['timing']}, where the table names no other. A claim is about `drc` unless "
        f"it says otherwise; "
        "± is half a 95 % interval.",
        "",
        "| Fig. | the paper claims | paper | ours | verdict | why |",
        "|---|---|---|---|---|---|",
    ]
    for claim in claims:
        f = claim.finding
        where = "" if claim.preset == run["preset"] else f" ({claim.preset}, {claim.modes})"
        verdict = f"**{f.verdict}**" if f.verdict == REPRODUCED else f.verdict
        cells = (
            claim.figure.removeprefix("fig"),
            claim.claim + where,
            claim.paper,
            f.ours,
            verdict,
            f.reason,
        )
        lines.append(f"| {' | '.join(cells)} |")
    wall = sum(run["figure_wall_s"].values())
    each = ", ".join(
        f"{figure} {seconds:.0f} s" for figure, seconds in run["figure_wall_s"].items()
    )
    programs = ", ".join(
        f"{name} {run['versions'][name]}"
        for name in ("midstep", "python", "numpy", "torch", "diffusers")
    )
    lines += [
        "",
        "## When is a claim reproduced?",
        "",
        CRITERIA,
        "## Made with",
        "",
        f"{programs}; {platform.system()} on {platform.machine()}, {run['cores']:g} cores; "
        f"{wall:.0f} s in all ({each}).",
        "",
    ]
    return "\n".join(lines)
