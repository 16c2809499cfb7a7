"""What a calibration measures: the requests' own classes, and other prompts' outputs by likeness;
each with a journal of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from midstep.diffusion import pipelines
from midstep.diffusion.denoise import Denoiser
from midstep.errors import OptionError
from midstep.reuse.embedding import open_embedder
from midstep.reuse.judge import can_judge
from midstep.reuse.limits import VARIATION
from midstep.reuse.scenes import SIZE
from midstep.reuse.table import FLOORS
from midstep.scenario import Reuse, Scenario
from midstep.wire.identity import PipelineIdentity
from midstep.workload.catalogue import Catalogue, load_catalogue
from orchestrator.doctor.calibrate_reuse.cells import Target
from orchestrator.doctor.calibrate_reuse.journal import Journal
from orchestrator.doctor.calibrate_reuse.like_pairs import CatalogueLikePairs, listed_likes
from orchestrator.doctor.calibrate_reuse.pairs import CataloguePairs, Pairs, own_pairs, read_listed

__all__ = ["Part", "catalogue_of", "head_of", "open_parts"]

OWN = ".journal.jsonl"
LIKE = ".likeness.journal.jsonl"
ALSO = (0.95,)  # a share that cells of likeness are decided for, besides the scenario's


@dataclass(frozen=True, kw_only=True)
class Part:
    """Pairs, what their cells are decided for, and what was measured of them so far. `drawn`: pairs
    of each class without a gap; `embedding`: by which free text was compared."""

    pairs: Pairs
    target: Target
    journal: Journal
    drawn: Mapping[str, int]
    embedding: str | None = None


class _Named(NamedTuple):
    """Pairs, what their journal's name ends in, and the embedding that classes are of."""

    pairs: Pairs
    suffix: str
    embedding: str | None = None


def open_parts(
    scenario: Scenario, denoiser: Denoiser, prompts: str | None, likeness: bool, out: Path
) -> list[Part]:
    """The parts of a calibration, with their journals beside `out`; `likeness`: none but that of
    other prompts' outputs. Raises OptionError where there is nothing to draw, or a journal is
    another calibration's; RecordError where one cannot be written."""
    if prompts is None:
        all_pairs = _of_catalogue(scenario, denoiser, likeness)
    else:
        all_pairs = _of_list(scenario, denoiser, prompts, likeness)
    parts = []
    for pairs, suffix, embedding in all_pairs:
        head = head_of(denoiser.identity, pairs, scenario.reuse.frame)
        parts.append(
            Part(
                pairs=pairs,
                target=_target(scenario.reuse, pairs, ALSO if suffix == LIKE else ()),
                journal=Journal(out.with_suffix(suffix), head),
                drawn={},
                embedding=embedding,
            )
        )
    return parts


def head_of(identity: PipelineIdentity, pairs: Pairs, frame: str) -> dict[str, Any]:
    """What a journal says first: the pipeline, which pairs, and the frames if they lose
    something."""
    head = {"pipeline": asdict(identity), "pairs": _digest(pairs)}
    return head if frame == "float32" else {**head, "frame": frame}


def _of_catalogue(scenario: Scenario, denoiser: Denoiser, likeness: bool) -> list[_Named]:
    catalogue = _catalogue(scenario)
    judged = _judged(catalogue, denoiser)
    like = CatalogueLikePairs(catalogue, judged, scenario.workload.plain_share)
    own = [] if likeness else [_Named(CataloguePairs(catalogue, judged), OWN)]
    return [*own, _Named(like, LIKE)]


def _of_list(scenario: Scenario, denoiser: Denoiser, prompts: str, likeness: bool) -> list[_Named]:
    listed = read_listed(prompts)
    own = None if likeness else own_pairs(listed)
    lists = [] if own is None else [_Named(own, OWN)]
    if any(row.donor is not None for row in listed):
        embedder = open_embedder(scenario, denoiser)
        like = listed_likes(listed, embedder)
        if like is not None:
            lists.append(_Named(like, LIKE, embedder.name))
    if not lists:
        wanted = "donor" if likeness else "core"
        raise OptionError(
            f"--prompts {prompts}: no row has a {wanted} that differs from its "
            f"{'core' if likeness else 'prompt'}; a table with the columns core, prompt and, for "
            f"other prompts' outputs, donor is wanted"
        )
    return lists


def catalogue_of(scenario: Scenario, denoiser: Denoiser, prompts: str | None) -> Catalogue | None:
    """The judge's catalogue; None where nobody can judge the pictures."""
    if prompts is not None:
        return None
    catalogue = _catalogue(scenario)
    return catalogue if _judged(catalogue, denoiser) else None


def _catalogue(scenario: Scenario) -> Catalogue:
    model = scenario.model.path
    file = pipelines.catalogue_file(model)
    if file is None:
        raise OptionError(
            f"--reuse: {model} has no catalogue of prompts; give pairs by --prompts FILE, a table "
            f"with the columns core and prompt"
        )
    return load_catalogue(file)


def _judged(catalogue: Catalogue, denoiser: Denoiser) -> bool:
    identity = denoiser.identity
    return can_judge(catalogue) and (identity.height, identity.width) == (SIZE, SIZE)


def _target(reuse: Reuse, pairs: Pairs, also: tuple[float, ...]) -> Target:
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
    return Target(metrics, floors, reuse.share, also)


def _digest(pairs: Pairs) -> str:
    """A digest of the first pairs of every class: other prompts or seeds are another journal."""
    some = [repr(pairs.pair(kind, number)) for kind in pairs.kinds for number in range(64)]
    return hashlib.blake2b("\n".join(some).encode(), digest_size=8).hexdigest()
