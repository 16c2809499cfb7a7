"""`midstep calibrate --reuse`: measure, write the table, and say what it means."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

from midstep.diffusion.denoise import Denoiser
from midstep.diffusion.factory import open_denoiser
from midstep.errors import EXIT_MISSED, OptionError, RecordError
from midstep.reuse.limits import TABLE
from midstep.reuse.table import ReuseTable
from midstep.scenario import Scenario
from orchestrator.doctor.calibrate_reuse.assembly import assemble, held_table
from orchestrator.doctor.calibrate_reuse.cells import MOST, looks
from orchestrator.doctor.calibrate_reuse.findings import findings
from orchestrator.doctor.calibrate_reuse.measuring import Measuring, Progress
from orchestrator.doctor.calibrate_reuse.parts import catalogue_of, open_parts

__all__ = ["ReuseCalibration", "calibrate_reuse", "lay_out"]

HOURS = 2.0


@dataclass(frozen=True, kw_only=True)
class ReuseCalibration:
    """What the command's options say. `out`: a folder, or the table's own path; `prompts`: a table
    of pairs; `likeness`: measure other prompts' outputs alone, and add them to the table that lies
    at `out`; `steps`: those that are drawn, None: all; `least` and `most`: pairs of a cell. Raises
    OptionError."""

    scenario: Scenario
    out: Path
    prompts: str | None = None
    likeness: bool = False
    steps: tuple[int, ...] | None = None
    least: int = 0
    most: int = MOST
    hours: float = HOURS

    def __post_init__(self) -> None:
        if self.least > self.most:
            raise OptionError(f"--least {self.least} is more than --most, {self.most}")


def calibrate_reuse(wish: ReuseCalibration) -> int:
    """Measure, or go on where an earlier call was stopped; the command's exit status: 1 where the
    time was over before all classes were finished. Raises OptionError, ModelError, RecordError."""
    scenario = wish.scenario
    if scenario.modes.denoiser == "paced":
        raise OptionError("--reuse: modes.denoiser paced computes no pictures; set it to real")
    out = wish.out if wish.out.suffix == ".json" else wish.out / TABLE
    _make_room(out)
    denoiser = open_denoiser(scenario, scenario.edge.threads)
    lay_out(denoiser)
    denoiser.frame_numbers = scenario.reuse.frame  # what frames lose is then in the table
    held = held_table(out, denoiser.identity) if wish.likeness else None
    if held is not None and held.frame != scenario.reuse.frame:
        raise OptionError(
            f"--out {out} was measured on {held.frame} frames, reuse.frame is "
            f"{scenario.reuse.frame}: give another --out"
        )
    judge = catalogue_of(scenario, denoiser, wish.prompts)
    steps = _steps(wish.steps, denoiser.identity.steps)
    parts = []
    unfinished: list[str] = []
    spent_s = 0.0
    for part in open_parts(scenario, denoiser, wish.prompts, wish.likeness, out):
        progress = Progress(_say)
        measuring = Measuring(denoiser, part.pairs, judge, part.journal, steps)
        target = replace(part.target, least=wish.least)
        counts = looks(target.share, wish.most)
        limit_s = max(0.0, wish.hours * 3600 - spent_s)
        drawn, left = measuring.run(target, counts, progress, limit_s)
        spent_s += progress.spent_s
        parts.append(replace(part, drawn=drawn))
        unfinished += left
    if any(any(part.drawn.values()) for part in parts):
        table = assemble(denoiser.identity, parts, held)
        table = replace(table, frame=scenario.reuse.frame)
        print("\n".join(findings(table, scenario.reuse)))
        _save(table, out, [part.journal.path for part in parts])
        print(f"wrote {out}")
    if unfinished:
        _say(
            f"stopped after {wish.hours:g} h, {', '.join(unfinished)} unfinished: call again to "
            f"go on"
        )
        return EXIT_MISSED
    return 0


def _steps(wish: tuple[int, ...] | None, whole: int) -> tuple[int, ...]:
    """The steps that are drawn, ascending. Raises OptionError."""
    steps = tuple(range(1, whole)) if wish is None else tuple(sorted({*wish}))
    if not steps or not 1 <= steps[0] <= steps[-1] < whole:
        raise OptionError(f"--steps: give steps from 1 to {whole - 1}, such as 4,6,8-14")
    return steps


def _save(table: ReuseTable, out: Path, journals: list[Path]) -> None:
    try:
        table.save(out)
    except OSError as error:
        raise RecordError(
            f"{out} cannot be written: {error.strerror}; all measurements are in "
            f"{', '.join(map(str, journals))}: the same command makes the table of them"
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


def lay_out(denoiser: Denoiser) -> None:
    """Lay the networks out as the CPU's convolutions like it: a quarter faster, the same numbers
    but for rounding."""
    pipe = getattr(denoiser, "pipe", None)
    unet = getattr(pipe, "unet", None)
    if pipe is not None and unet is not None and unet.device.type == "cpu":
        import torch

        unet.to(memory_format=torch.channels_last)
        pipe.vae.to(memory_format=torch.channels_last)
