"""Pairs of a shared prompt and a user's own, with their noise: what the calibration draws, and no
evaluation does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from midstep.draws import CALIBRATION, integer
from midstep.errors import OptionError
from midstep.reuse.limits import BOTH, POSITION, SIZE, VARIATION, WORDS, reuse_class
from midstep.reuse.render import Spec
from midstep.workload.catalogue import Catalogue, Ending

__all__ = [
    "EVALUATED",
    "CataloguePairs",
    "Listed",
    "ListedPairs",
    "Pair",
    "Pairs",
    "own_pairs",
    "read_listed",
]

EVALUATED = 200  # core prompts of a catalogue, from its first, that scenarios ask for
SEED = 20_000  # of the calibration's own stream
NOISE = 0
VARIED = 1
SEEDS = 2**53  # as many as midstep.wire.identity.shared_seed has
CURVES = 96
LISTED = 16  # pairs of a list that are drawn together


@dataclass(frozen=True, kw_only=True)
class Pair:
    """What a user of class `kind` wants, and the prompt `core` whose output serves it, the user's
    own edge prompt or another's. `spec`: what the picture has to show, where it can be judged;
    `group`: pairs of one group are drawn and judged together."""

    kind: str
    number: int
    group: int
    core: str
    prompt: str
    seed: int
    variation_seed: int | None = None
    spec: Spec | None = None


class Pairs(Protocol):
    """The pairs of a calibration, by class and number: the same for everybody, without end."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """Classes of requests."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Qualities that can be measured."""

    @property
    def curves(self) -> int:
        """Pairs, from the first, whose core trajectories are compared step by step."""

    def pair(self, kind: str, number: int) -> Pair:
        """Pair `number`, from 0, of class `kind`."""


class CataloguePairs:
    """A catalogue's core prompts beyond those that scenarios ask for, with each of its endings in
    turn; pairs of one number share core prompt and noise. `judged`: whether pictures can be judged;
    a variation, which is like no other picture, can be measured only then. Raises OptionError where
    there are no such prompts."""

    curves = CURVES

    def __init__(self, catalogue: Catalogue, judged: bool) -> None:
        self.metrics = ("fidelity", "psnr", "ssim") if judged else ("psnr", "ssim")
        self._catalogue = catalogue
        self._edges = catalogue.edges[EVALUATED:]
        if not self._edges:
            raise OptionError(
                f"--reuse: the model's catalogue has {len(catalogue.edges)} core prompts, and the "
                f"first {EVALUATED} are those of evaluations; give pairs of your own by --prompts"
            )
        self._endings: dict[str, list[Ending]] = {}
        if judged:
            self._endings[VARIATION] = [*catalogue.endings]
        for ending in catalogue.endings[1:]:
            edge = self._edges[0]
            kind = reuse_class(
                catalogue, catalogue.prompt(edge, ending), catalogue.prompt(edge), False
            )
            self._endings.setdefault(kind, []).append(ending)
        self.kinds = tuple(k for k in (SIZE, POSITION, BOTH, VARIATION) if k in self._endings)

    def pair(self, kind: str, number: int) -> Pair:
        turn, place = divmod(number, len(self._edges))
        edge = self._edges[place]
        endings = self._endings[kind]
        ending = endings[(number + turn) % len(endings)]
        varied = integer(SEEDS, SEED, CALIBRATION, number, VARIED) if kind == VARIATION else None
        return Pair(
            kind=kind,
            number=number,
            group=edge.background,
            core=self._catalogue.prompt(edge),
            prompt=self._catalogue.prompt(edge, ending),
            seed=integer(SEEDS, SEED, CALIBRATION, number, NOISE),
            variation_seed=varied,
            spec=Spec(edge, ending),
        )


class ListedPairs:
    """Pairs of a list, again and again from other noise. Nobody can judge what their pictures
    show."""

    kinds = (WORDS,)
    metrics = ("psnr", "ssim")
    curves = CURVES

    def __init__(self, prompts: Sequence[tuple[str, str]]) -> None:
        self._prompts = prompts

    def pair(self, kind: str, number: int) -> Pair:
        core, prompt = self._prompts[number % len(self._prompts)]
        return Pair(
            kind=kind,
            number=number,
            group=number // LISTED,
            core=core,
            prompt=prompt,
            seed=integer(SEEDS, SEED, CALIBRATION, number, NOISE),
        )


class Listed(NamedTuple):
    """A row of a table of pairs; `donor`: the edge prompt whose output serves, None: the row's own
    core."""

    core: str
    prompt: str
    donor: str | None


def read_listed(path: str) -> list[Listed]:
    """The rows of a table with columns `core`, `prompt` and, where it has one, `donor`. Raises
    ScenarioError where it cannot be read."""
    from midstep.workload.trace_file import COLUMNS, TABLES, read_rows, read_trace

    if Path(path).suffix.lower() not in TABLES:
        requests = [one.request for one in read_trace(path, "--prompts").requests]
        return [Listed(request.edge_prompt, request.prompt, None) for request in requests]
    listed = []
    for at, row in read_rows(path, "--prompts", (*COLUMNS, "donor")):
        for name in ("prompt", "core", "donor"):
            if not isinstance(row.get(name, ""), str):
                raise OptionError(f"--prompts {path}, {at}: {name} {row[name]!r} is no text")
        prompt: str = row.get("prompt", "")
        listed.append(Listed(row.get("core", prompt), prompt, row.get("donor")))
    return listed


def own_pairs(listed: Sequence[Listed]) -> ListedPairs | None:
    """The pairs of a prompt and its own core that differ; None where there are none."""
    prompts = [(row.core, row.prompt) for row in listed if row.donor is None]
    differ = [pair for pair in prompts if pair[0] != pair[1]]
    return ListedPairs(differ) if differ else None
