"""What a calibration has drawn of like prompts, with the cosines of the pairs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from midstep.errors import OptionError
from midstep.reuse.embedding import Embedder
from midstep.workload.catalogue import Catalogue
from orchestrator.doctor.calibrate_reuse.like_pairs import CatalogueLikePairs
from orchestrator.records.append_only import whole_lines

__all__ = ["Drawn", "samples_of"]

Drawn = tuple[int, float, dict[str, float]]
"""A step, the cosine of the two core prompts, and the picture's values by metric."""


def samples_of(
    path: Path, catalogue: Catalogue, plain_share: float, embedder: Embedder
) -> list[Drawn]:
    """The pictures of the journal that `midstep calibrate --reuse --likeness` leaves, with the
    cosines of their pairs. Raises OptionError for a file that is none."""
    pairs = CatalogueLikePairs(catalogue, True, plain_share)
    try:
        trees = [json.loads(line) for line in whole_lines(path)][1:]
        return [*_drawn(trees, pairs, catalogue, embedder)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise OptionError(
            f"--pairs {path}: give the journal that `midstep calibrate --reuse --likeness` leaves "
            f"beside its table ({type(error).__name__}: {str(error)[:80]})"
        ) from error


def _drawn(
    trees: Sequence[dict[str, Any]],
    pairs: CatalogueLikePairs,
    catalogue: Catalogue,
    embedder: Embedder,
) -> Iterator[Drawn]:
    vectors: dict[str, Any] = {}

    def vector(prompt: str) -> Any:
        if prompt not in vectors:
            vectors[prompt] = embedder.embed(prompt)
        return vectors[prompt]

    for tree in trees:
        pair = pairs.pair(tree["kind"], tree["pair"])
        assert pair.spec is not None  # of a catalogue's pairs
        cosine = float(vector(catalogue.prompt(pair.spec.edge)) @ vector(pair.core))
        for step, values in tree["steps"].items():
            if int(step):
                yield int(step), cosine, values
