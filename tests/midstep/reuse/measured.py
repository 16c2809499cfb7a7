"""Tables as a calibration would have measured them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from midstep.reuse.limits import BOTH, POSITION, SIZE, VARIATION
from midstep.reuse.table import Cell, ReuseTable
from midstep.wire.identity import PipelineIdentity
from tests import paced

STEPS = 20
KINDS = (SIZE, POSITION, BOTH, VARIATION)


def identity(**changes: Any) -> PipelineIdentity:
    """The pipeline that `table` was measured on."""
    fields = dict(model="midstep-emoji", revision="r1", scheduler="DDIMScheduler", steps=STEPS)
    return paced.identity(**{**fields, **changes})


def table(wrong: Mapping[tuple[str, int], int] | None = None, **changes: Any) -> ReuseTable:
    """A table of midstep-emoji with 400 right pictures in every cell but those that are
    `wrong`."""
    wrong = wrong or {}
    cells = []
    for kind in KINDS:
        for step in range(1, STEPS):
            bad = wrong.get((kind, step), 0)
            cells.append(Cell.of(kind, step, "fidelity", [0.0] * bad + [1.0] * (400 - bad)))
            if kind != VARIATION:  # from 60 dB on down, 1 dB a step below it at worst
                psnr = [60.0 - 2 * step - i / 400 for i in range(400)]
                cells.append(Cell.of(kind, step, "psnr", psnr))
    fields = {"share": 0.99, "floors": {"fidelity": 1.0}, "cells": tuple(cells)}
    return ReuseTable(**{**asdict(identity()), **fields, **changes})
