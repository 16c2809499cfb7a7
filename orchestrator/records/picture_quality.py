"""Quality of the pictures that were made again without reuse: SSIM beside the reference, and
whether they show what their prompts say."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from midstep.reuse.judge import layers
from midstep.reuse.quality import ssim
from midstep.scenario import Scenario
from midstep.telemetry.record import Gallery, RequestRow
from orchestrator.records.picture_judge import PictureJudge, Sample

__all__ = ["measure"]

WINDOW = 11  # pixels: smaller pictures have no SSIM


def measure(scenario: Scenario, rows: Mapping[str, RequestRow], gallery: Sequence[Gallery]) -> None:
    """Fill in `ssim`, and `fidelity` where the model's catalogue can judge it."""
    for one in gallery:
        picture, reference = (
            np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
            for png in (one.picture, one.reference)
        )
        if min(picture.shape[:2]) >= WINDOW:
            rows[one.request_id].ssim = ssim(picture, reference)
    eye = PictureJudge.of(scenario)
    if eye is None:
        return
    specs = {one.request_id: eye.spec(rows[one.request_id].dict()) for one in gallery}
    samples = {
        one.request_id: Sample(spec, one.picture)
        for one in gallery
        if (spec := specs[one.request_id]) is not None
    }
    for request_id, finding in zip(samples, eye.judge([*samples.values()]), strict=True):
        if finding is not None:
            rows[request_id].fidelity = float(finding.right)
    layers.cache_clear()  # tens of megabytes, where a run is one of many of its process
