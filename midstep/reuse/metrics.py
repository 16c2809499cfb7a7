"""The metrics by which a picture is good enough: their usual floors, and the bins of a table."""

from __future__ import annotations

__all__ = ["FLOORS", "GRID", "METRICS"]

METRICS = ("fidelity", "psnr", "ssim")
FLOORS = {"fidelity": 1.0, "psnr": 30.0, "ssim": 0.9}  # where a scenario names none
# Values are counted in bins of this width, each by its lower end, so that P(value >= floor) can be
# read off for any floor; one between two bins counts as the upper one.
GRID = {"fidelity": 1.0, "psnr": 0.5, "ssim": 0.01}
