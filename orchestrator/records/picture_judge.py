"""Prompt fidelity of a run's pictures: whether each shows what its prompt says, by the forced
choice of midstep.reuse.judge."""

from __future__ import annotations

import hashlib
import io
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from midstep.diffusion.pipelines import catalogue_file
from midstep.reuse import judge
from midstep.reuse.render import Picture, Spec
from midstep.reuse.scenes import SIZE
from midstep.scenario import Scenario
from midstep.workload.catalogue import Catalogue, Edge, load_catalogue

__all__ = ["Finding", "PictureJudge", "Sample"]

TOGETHER = 500  # pictures that are judged at once: 50 MB


class Sample(NamedTuple):
    """A picture (PNG) and what it was asked to show."""

    spec: Spec
    png: bytes


class Finding(NamedTuple):
    """What a picture shows, in the catalogue's words, and whether that is what it was asked for."""

    right: bool
    prompt: str


class PictureJudge:
    """Judges pictures of a catalogue's prompts, one of each kind once: equal pictures of one
    prompt are equally right."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._edges = dict(zip(catalogue.edge_prompts, catalogue.edges, strict=True))

    @classmethod
    def of(cls, scenario: Scenario) -> PictureJudge | None:
        """The judge of a scenario's model; None where pictures are paced, or the model has no
        catalogue of its own that can be drawn."""
        if scenario.modes.denoiser != "real":
            return None
        file = catalogue_file(scenario.model.path)
        if file is None:
            return None
        catalogue = load_catalogue(file)
        return cls(catalogue) if judge.can_judge(catalogue) else None

    def spec(self, row: Mapping[str, Any]) -> Spec | None:
        """What a request's prompt asks to see; None of a prompt outside the catalogue."""
        core = row["core_prompt"] or row["edge_prompt"]
        edge = self._edges.get(core)
        ending = self._catalogue.ending(core, row["prompt"])
        return None if edge is None or ending is None else Spec(edge, ending)

    def judge(
        self, samples: Sequence[Sample], advance: Callable[[float], None] = lambda _: None
    ) -> list[Finding | None]:
        """What each shows; None of one that is damaged, or of another size than the judge's
        renders. `advance` is called with each further share of the work that is done."""
        different: dict[tuple[Spec, bytes], Picture | None] = {}
        keys = []
        for one in samples:
            key = one.spec, hashlib.blake2b(one.png, digest_size=16).digest()
            keys.append(key)
            if key not in different:
                different[key] = _pixels(one.png)
        by_background = defaultdict[int, list[tuple[Spec, bytes]]](list)
        for key, pixels in different.items():
            if pixels is not None:
                by_background[key[0].edge.background].append(key)
        findings: dict[tuple[Spec, bytes], Finding] = {}
        for members in by_background.values():  # setting the judge up for one is dear
            for first in range(0, len(members), TOGETHER):
                batch = members[first : first + TOGETHER]
                findings |= self._judge(batch, [different[key] for key in batch])
            advance(1 / len(by_background))
        return [findings.get(key) for key in keys]

    def _judge(
        self, keys: Sequence[tuple[Spec, bytes]], pixels: Sequence[Picture | None]
    ) -> dict[tuple[Spec, bytes], Finding]:
        specs = [spec for spec, _ in keys]
        known = np.stack([one for one in pixels if one is not None])
        verdicts = judge.judge(self._catalogue, known, specs)
        findings = {}
        for key, verdict in zip(keys, verdicts, strict=True):
            shown = Spec(Edge(verdict.thing, verdict.background), verdict.ending)
            words = self._catalogue.prompt(shown.edge, shown.ending)
            findings[key] = Finding(right=shown == key[0], prompt=words)
        return findings


def _pixels(png: bytes) -> Picture | None:
    try:
        pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):  # cut off, or no PNG
        return None
    return pixels if pixels.shape == (SIZE, SIZE, 3) else None
