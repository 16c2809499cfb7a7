"""What a calibration has drawn of like prompts, with the cosines of the pairs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from midstep.errors import OptionError
from midstep.reuse.embedding import Embedder
from midstep.reuse.likeness import SAME_PLACEMENT
from midstep.scenario import Scenario
from midstep.wire.identity import PipelineIdentity
from midstep.workload.catalogue import Catalogue
from orchestrator.doctor.calibrate_reuse.journal import head_difference
from orchestrator.doctor.calibrate_reuse.like_pairs import CatalogueLikePairs
from orchestrator.doctor.calibrate_reuse.parts import head_of
from orchestrator.records.append_only import complete_lines

__all__ = ["Drawn", "samples_of"]

Drawn = tuple[int, float, dict[str, float]]
"""A step, the cosine of the two core prompts, and the picture's values by metric."""


def samples_of(
    path: Path,
    scenario: Scenario,
    catalogue: Catalogue,
    identity: PipelineIdentity,
    embedder: Embedder,
) -> list[Drawn]:
    """The pictures of the journal that `midstep calibrate --reuse --likeness` leaves, with the
    cosines of their pairs, but for the class `same placement`: core prompts have no placement.
    Raises OptionError for a file that is none, or of another model, catalogue or workload."""
    pairs = CatalogueLikePairs(catalogue, True, scenario.workload.plain_share)
    try:
        trees = [json.loads(line) for line in complete_lines(path)]
        difference = head_difference(
            trees[0] if trees else None, head_of(identity, pairs, scenario.reuse.frame)
        )
        drawn = [] if difference else [*_drawn(trees[1:], pairs, catalogue, embedder)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise OptionError(f"{_wanted(path)} ({type(error).__name__}: {str(error)[:80]})") from error
    if not drawn:
        raise OptionError(f"{_wanted(path)} ({difference or 'no pair is in it yet'})")
    return drawn


def _wanted(path: Path) -> str:
    return (
        f"--pairs {path}: give the journal that `midstep calibrate --reuse --likeness` leaves "
        f"beside this model's table"
    )


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
        if tree["kind"] == SAME_PLACEMENT:
            continue
        pair = pairs.pair(tree["kind"], tree["pair"])
        assert pair.spec is not None  # of a catalogue's pairs
        cosine = float(vector(catalogue.prompt(pair.spec.edge)) @ vector(pair.core))
        for step, values in tree["steps"].items():
            if int(step):
                yield int(step), cosine, values
