"""`midstep calibrate --reuse`: measure, write the table, and say what it means."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import numpy as np

from midstep.diffusion import pipelines
from midstep.diffusion.denoise import Denoiser
from midstep.diffusion.factory import open_denoiser
from midstep.errors import EXIT_MISSED, OptionError, RecordError
from midstep.reuse.judge import can_judge
from midstep.reuse.limits import KINDS, TABLE, VARIATION
from midstep.reuse.scenes import SIZE
from midstep.reuse.table import FLOORS, METRICS, Cell, Curve, ReuseTable
from midstep.scenario import Reuse, Scenario
from midstep.workload.catalogue import Catalogue, load_catalogue
from orchestrator.doctor.calibrate_reuse.cells import MOST, Target, looks
from orchestrator.doctor.calibrate_reuse.drawing import STEP_BY_STEP
from orchestrator.doctor.calibrate_reuse.findings import findings
from orchestrator.doctor.calibrate_reuse.journal import Journal
from orchestrator.doctor.calibrate_reuse.measuring import Measuring, Progress
from orchestrator.doctor.calibrate_reuse.pairs import CataloguePairs, Pairs, read_pairs

__all__ = ["ReuseCalibration", "calibrate_reuse"]

HOURS = 2.0


@dataclass(frozen=True, kw_only=True)
class ReuseCalibration:
    """What the command's options say. `out`: a folder, or the table's own path; `prompts`: a table
    of pairs; `most`: pairs of a cell at most."""

    scenario: Scenario
    out: Path
    prompts: str | None = None
    most: int = MOST
    hours: float = HOURS


def calibrate_reuse(wish: ReuseCalibration) -> int:
    """Measure, or go on where an earlier call was stopped; the command's exit status: 1 where the
    time was over before all classes were finished. Raises OptionError, ModelError, RecordError."""
    scenario = wish.scenario
    if scenario.modes.denoiser == "paced":
        raise OptionError("--reuse: modes.denoiser paced computes no pictures; set it to real")
    out = wish.out if wish.out.suffix == ".json" else wish.out / TABLE
    _make_room(out)
    denoiser = open_denoiser(scenario, scenario.edge.threads)
    _prepare(denoiser)
    pairs, catalogue = _open_pairs(wish, denoiser)
    target = _target(scenario.reuse, pairs)
    head = {"pipeline": asdict(denoiser.identity), "pairs": _pairs_digest(pairs)}
    journal = Journal(out.with_suffix(".journal.jsonl"), head)
    measuring = Measuring(denoiser, pairs, catalogue, journal)
    counts = looks(target.share, wish.most)
    drawn, left = measuring.run(target, counts, Progress(_say), wish.hours * 3600)
    if any(drawn.values()):
        table = _table(denoiser, journal, target, drawn)
        print("\n".join(findings(table, scenario.reuse)))
        _save(table, out, journal)
        print(f"wrote {out}")
    if left:
        _say(f"stopped after {wish.hours:g} h, {', '.join(left)} unfinished: call again to go on")
        return EXIT_MISSED
    return 0


def _save(table: ReuseTable, out: Path, journal: Journal) -> None:
    try:
        table.save(out)
    except OSError as error:
        raise RecordError(
            f"{out} cannot be written: {error.strerror}; all measurements are in {journal.path}: "
            f"the same command makes the table of them"
        ) from error


def _say(text: str) -> None:
    print(f"midstep: {text}", file=sys.stderr, flush=True)


def _make_room(out: Path) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        fresh = not out.exists()
        out.open("ab").close()
        if fresh:
            out.unlink()
    except OSError as error:
        raise OptionError(f"--out {out} cannot be written: {error.strerror}") from error


def _prepare(denoiser: Denoiser) -> None:
    """Lay the networks out as the CPU's convolutions like it: a quarter faster, the same numbers
    but for rounding."""
    pipe = getattr(denoiser, "pipe", None)
    unet = getattr(pipe, "unet", None)
    if pipe is not None and unet is not None and unet.device.type == "cpu":
        import torch

        unet.to(memory_format=torch.channels_last)
        pipe.vae.to(memory_format=torch.channels_last)


def _open_pairs(wish: ReuseCalibration, denoiser: Denoiser) -> tuple[Pairs, Catalogue | None]:
    """What is drawn, and the catalogue that judges it. Raises OptionError where there is
    nothing."""
    if wish.prompts is not None:
        return read_pairs(wish.prompts), None
    model = wish.scenario.model.path
    file = pipelines.catalogue_file(model)
    if file is None:
        raise OptionError(
            f"--reuse: {model} has no catalogue of prompts; give pairs by --prompts FILE, a table "
            f"with the columns core and prompt"
        )
    catalogue = load_catalogue(file)
    identity = denoiser.identity
    judged = can_judge(catalogue) and (identity.height, identity.width) == (SIZE, SIZE)
    return CataloguePairs(catalogue, judged), catalogue if judged else None


def _target(reuse: Reuse, pairs: Pairs) -> Target:
    """What cells are decided for: the scenario's floor and share. Raises OptionError."""
    metric = reuse.metric or ("fidelity" if "fidelity" in pairs.metrics else "ssim")
    if metric not in pairs.metrics:
        raise OptionError(
            f"--reuse: reuse.metric {metric} cannot be measured on these pairs, only "
            f"{', '.join(pairs.metrics)}"
        )
    floors = dict(FLOORS)
    if reuse.floor is not None:
        floors[metric] = reuse.floor
    metrics = {kind: "fidelity" if kind == VARIATION else metric for kind in pairs.kinds}
    return Target(metrics, floors, reuse.share)


def _pairs_digest(pairs: Pairs) -> str:
    """A digest of the first pairs of every class: other prompts or seeds are another journal."""
    some = [repr(pairs.pair(kind, number)) for kind in pairs.kinds for number in range(64)]
    return hashlib.blake2b("\n".join(some).encode(), digest_size=8).hexdigest()


def _table(
    denoiser: Denoiser, journal: Journal, target: Target, drawn: Mapping[str, int]
) -> ReuseTable:
    """The table of so many pairs of each class."""
    identity = denoiser.identity
    values: dict[tuple[str, int, str], list[float]] = {}
    for (kind, pair, step), of in sorted(journal.values.items()):
        if pair >= drawn.get(kind, 0):
            continue
        counts = not step or target.counts(kind, journal.values.get((kind, pair, 0)))
        for metric, value in of.items():
            if counts or metric != "fidelity":
                values.setdefault((kind, step, metric), []).append(value)
    cells = [
        Cell.of(kind, step, metric, values[kind, step, metric])
        for kind, metric, step in product(KINDS, METRICS, range(identity.steps))
        if (kind, step, metric) in values
    ]
    return ReuseTable(
        **asdict(identity),
        share=target.share,
        floors={metric: target.floors[metric] for metric in sorted({*target.metrics.values()})},
        cells=tuple(cells),
        curves=_curves([of for _, of in sorted(journal.curves.items())]),
    )


def _curves(rows: Sequence[dict[str, list[float]]]) -> dict[str, Curve]:
    curves: dict[str, Curve] = {}
    for name in rows[0] if rows else ():
        values = np.array([row[name] for row in rows])
        curves[name] = Curve(
            count=len(rows),
            first=2 if name == STEP_BY_STEP else 1,
            mean=_rounded(values.mean(0)),
            p05=_rounded(np.quantile(values, 0.05, axis=0)),
            p50=_rounded(np.quantile(values, 0.5, axis=0)),
        )
    return curves


def _rounded(values: np.ndarray) -> tuple[float, ...]:
    return tuple(round(float(value), 3) for value in values)
