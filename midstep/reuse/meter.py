"""Measure what reuse has done to one picture: against the same without reuse, and by what its
prompt says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from midstep.diffusion.denoise import Picture
from midstep.diffusion.pipelines import catalogue_file
from midstep.reuse.render import Spec
from midstep.workload.catalogue import Catalogue, load_catalogue

__all__ = ["Measured", "Meter"]

WINDOW = 11  # pixels: smaller pictures have no SSIM


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Qualities of a reused picture; None where they cannot be measured. `reference_fidelity` is
    of the picture without reuse: what the model cannot draw anyway is no fault of reuse."""

    psnr_db: float | None = None
    ssim: float | None = None
    fidelity: float | None = None
    reference_fidelity: float | None = None

    def good(self, metric: str, floor: float) -> bool | None:
        """Whether it has a quality; None where that is not known, or the model's own fault."""
        if metric == "fidelity" and self.reference_fidelity == 0:
            return None
        value = {"fidelity": self.fidelity, "psnr": self.psnr_db, "ssim": self.ssim}[metric]
        return None if value is None else value >= floor


class Meter:
    """Measures pictures of a model. `catalogue` is what its prompts ask for, None: its pictures
    cannot be judged."""

    def __init__(self, catalogue: Catalogue | None) -> None:
        self._catalogue = catalogue
        edges = (
            () if catalogue is None else zip(catalogue.edge_prompts, catalogue.edges, strict=True)
        )
        self._edges = dict(edges)

    @classmethod
    def of(cls, model: str) -> Meter:
        """The meter of a model by its path. Raises ModelError where there is no such model."""
        from midstep.reuse import judge

        file = catalogue_file(model)
        catalogue = None if file is None else load_catalogue(file)
        return cls(catalogue if catalogue is not None and judge.can_judge(catalogue) else None)

    def measures(self, metric: str, core: str, prompt: str) -> bool:
        """Whether pictures of that prompt have that metric."""
        return metric != "fidelity" or self._spec(core, prompt) is not None

    def measure(
        self, core: str, prompt: str, picture: Picture, reference: Picture | None
    ) -> Measured:
        """The qualities of a picture of `prompt`, whose core prompt is `core`, beside the one
        without reuse; None: there is no such picture."""
        from midstep.reuse.quality import psnr_db, ssim

        psnr = None
        similarity = None
        pictures = [picture]
        if reference is not None:
            pictures.append(reference)
            psnr = psnr_db(picture, reference)
            if min(picture.shape[:2]) >= WINDOW:
                similarity = ssim(picture, reference)
        right = self._right(core, prompt, pictures)
        return Measured(
            psnr_db=psnr,
            ssim=similarity,
            fidelity=right[0] if right else None,
            reference_fidelity=right[1] if len(right) > 1 else None,
        )

    def _spec(self, core: str, prompt: str) -> Spec | None:
        """What a prompt asks to see; None of one outside the catalogue."""
        if self._catalogue is None:
            return None
        edge = self._edges.get(core)
        ending = self._catalogue.ending(core, prompt)
        return None if edge is None or ending is None else Spec(edge, ending)

    def _right(self, core: str, prompt: str, pictures: Sequence[Picture]) -> list[float]:
        """Whether each picture shows what its prompt says, 1 or 0; nothing where nobody knows."""
        from midstep.reuse.judge import judge
        from midstep.reuse.scenes import SIZE

        spec = self._spec(core, prompt)
        if spec is None or any(one.shape != (SIZE, SIZE, 3) for one in pictures):
            return []
        assert self._catalogue is not None
        wanted = (spec.edge.thing, spec.edge.background, spec.ending)
        verdicts = judge(self._catalogue, np.stack(pictures), [spec] * len(pictures))
        return [float((v.thing, v.background, v.ending) == wanted) for v in verdicts]
