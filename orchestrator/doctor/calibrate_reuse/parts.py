"""What a calibration measures: the requests' own classes, and other prompts' outputs by likeness;
each with a journal of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from midstep.diffusion import pipelines
from midstep.diffusion.denoise import Denoiser
from midstep.errors import OptionError
from midstep.reuse.judge import can_judge
from midstep.reuse.limits import VARIATION
from midstep.reuse.scenes import SIZE
from midstep.reuse.table import FLOORS
from midstep.scenario import Reuse, Scenario
from midstep.workload.catalogue import Catalogue, load_catalogue
from orchestrator.doctor.calibrate_reuse.cells import Target
from orchestrator.doctor.calibrate_reuse.journal import Journal
from orchestrator.doctor.calibrate_reuse.like_pairs import CatalogueLikePairs
from orchestrator.doctor.calibrate_reuse.pairs import CataloguePairs, Pairs, read_pairs

__all__ = ["Part", "catalogue_of", "open_parts"]

OWN = ".journal.jsonl"
LIKE = ".likeness.journal.jsonl"


@dataclass(frozen=True, kw_only=True)
class Part:
    """Pairs, what their cells are decided for, and what was measured of them so far. `drawn`: pairs
    of each class without a gap."""

    pairs: Pairs
    target: Target
    journal: Journal
    drawn: Mapping[str, int]


def open_parts(
    scenario: Scenario, denoiser: Denoiser, prompts: str | None, likeness: bool, out: Path
) -> list[Part]:
    """The parts of a calibration, with their journals beside `out`; `likeness`: none but that of
    other prompts' outputs. Raises OptionError where there is nothing to draw, or a journal is
    another calibration's; RecordError where one cannot be written."""
    all_pairs: list[tuple[Pairs, str]] = []
    if prompts is None:
        catalogue = _catalogue(scenario)
        judged = _judged(catalogue, denoiser)
        if not likeness:
            all_pairs.append((CataloguePairs(catalogue, judged), OWN))
        plain_share = scenario.workload.plain_share
        all_pairs.append((CatalogueLikePairs(catalogue, judged, plain_share), LIKE))
    else:
        all_pairs.append((read_pairs(prompts), OWN))
    parts = []
    for pairs, suffix in all_pairs:
        head = {"pipeline": asdict(denoiser.identity), "pairs": _digest(pairs)}
        parts.append(
            Part(
                pairs=pairs,
                target=_target(scenario.reuse, pairs),
                journal=Journal(out.with_suffix(suffix), head),
                drawn={},
            )
        )
    return parts


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


def _digest(pairs: Pairs) -> str:
    """A digest of the first pairs of every class: other prompts or seeds are another journal."""
    some = [repr(pairs.pair(kind, number)) for kind in pairs.kinds for number in range(64)]
    return hashlib.blake2b("\n".join(some).encode(), digest_size=8).hexdigest()
