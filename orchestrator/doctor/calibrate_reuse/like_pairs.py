"""Pairs of a user's own prompt and of another prompt, the donor, whose output serves it: by what
the two edge prompts have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from midstep.draws import CALIBRATION, integer, uniform
from midstep.errors import OptionError
from midstep.reuse.embedding import Embedder
from midstep.reuse.likeness import (
    LIKENESS,
    SAME_OBJECT,
    SAME_PLACEMENT,
    SAME_SCENE,
    UNRELATED,
    words_kind,
)
from midstep.reuse.render import Spec
from midstep.workload.catalogue import UNSAID, Catalogue, Edge, Ending
from orchestrator.doctor.calibrate_reuse.pairs import EVALUATED, LISTED, SEED, SEEDS, Listed, Pair

__all__ = ["CatalogueLikePairs", "ListedLikePairs", "listed_likes"]

# places of midstep.draws.CALIBRATION, after those of .pairs
NOISE = 2
PLAIN = 3
ENDING = 4
DONOR = 5


@dataclass(frozen=True)
class _Shared:
    """What the edges of a class share: object, background."""

    thing: bool
    background: bool

    def holds(self, own: Edge, donor: Edge) -> bool:
        """Whether two edges share this and nothing else."""
        same = own.thing == donor.thing, own.background == donor.background
        return same == (self.thing, self.background)


SHARED = {
    SAME_OBJECT: _Shared(thing=True, background=False),
    SAME_SCENE: _Shared(thing=False, background=True),
    SAME_PLACEMENT: _Shared(thing=False, background=False),
    UNRELATED: _Shared(thing=False, background=False),
}


class CatalogueLikePairs:
    """A catalogue's prompts beyond those that scenarios ask for, each with an ending as a workload
    draws it (`plain_share`: none), and a donor drawn among the core prompts of the class. Pairs of
    one number share the user's edge and noise, in all classes.

    A core prompt says no ending, so that two of them never share one. The class `same placement` is
    of edges that are asked for whole prompts: its donors say the user's ending, and its users have
    one. Raises OptionError where the catalogue is too small."""

    curves = 0

    def __init__(self, catalogue: Catalogue, judged: bool, plain_share: float) -> None:
        self.metrics = ("fidelity", "psnr", "ssim") if judged else ("psnr", "ssim")
        self._catalogue = catalogue
        self._plain_share = plain_share
        self._edges = catalogue.edges[EVALUATED:]
        self.kinds = _kinds(self._edges, len(catalogue.endings) > 1)
        if not self.kinds:
            raise OptionError(
                f"--reuse: of the catalogue's {len(catalogue.edges)} core prompts the first "
                f"{EVALUATED} are those of evaluations, and the others share nothing; give pairs "
                f"of your own by --prompts"
            )

    def pair(self, kind: str, number: int) -> Pair:
        """Pair `number`, from 0, of class `kind`."""
        edge = self._edges[number % len(self._edges)]
        ending = self._ending(kind, number)
        of_donor = ending if kind == SAME_PLACEMENT else UNSAID
        return Pair(
            kind=kind,
            number=number,
            group=edge.background,
            core=self._catalogue.prompt(self._donor(kind, number, edge), of_donor),
            prompt=self._catalogue.prompt(edge, ending),
            seed=integer(SEEDS, SEED, CALIBRATION, number, NOISE),
            spec=Spec(edge, ending),
        )

    def _ending(self, kind: str, number: int) -> Ending:
        """What a user says beside the core prompt: as midstep.workload.requests draws it."""
        endings = self._catalogue.endings
        plain = uniform(SEED, CALIBRATION, number, PLAIN) < self._plain_share
        if len(endings) == 1 or (plain and kind != SAME_PLACEMENT):
            return UNSAID
        return endings[1 + integer(len(endings) - 1, SEED, CALIBRATION, number, ENDING)]

    def _donor(self, kind: str, number: int, own: Edge) -> Edge:
        shared = SHARED[kind]
        donors = [edge for edge in self._edges if shared.holds(own, edge)]
        return donors[integer(len(donors), SEED, CALIBRATION, number, DONOR)]


class ListedLikePairs:
    """Prompts of a list and donors, by class, again and again from other noise. Nobody can judge
    what their pictures show. `by_kind`: class -> donor and prompt."""

    metrics = ("psnr", "ssim")
    curves = 0

    def __init__(self, by_kind: Mapping[str, Sequence[tuple[str, str]]]) -> None:
        self.kinds = tuple(kind for kind in LIKENESS if by_kind.get(kind))
        self._by_kind = by_kind

    def pair(self, kind: str, number: int) -> Pair:
        """Pair `number`, from 0, of class `kind`."""
        listed = self._by_kind[kind]
        donor, prompt = listed[number % len(listed)]
        return Pair(
            kind=kind,
            number=number,
            group=number // LISTED,
            core=donor,
            prompt=prompt,
            seed=integer(SEEDS, SEED, CALIBRATION, number, NOISE),
        )


def listed_likes(listed: Sequence[Listed], embedder: Embedder) -> ListedLikePairs | None:
    """The pairs of the rows that name a donor, by the cosine of the row's core and the donor; None
    where there are none."""
    by_kind: dict[str, list[tuple[str, str]]] = {}
    for row in listed:
        if row.donor is not None and row.donor != row.core:
            cosine = float(embedder.embed(row.core) @ embedder.embed(row.donor))
            by_kind.setdefault(words_kind(cosine), []).append((row.donor, row.prompt))
    return ListedLikePairs(by_kind) if by_kind else None


def _kinds(edges: tuple[Edge, ...], endings: bool) -> tuple[str, ...]:
    """Classes in which every edge has a donor."""
    things = Counter(edge.thing for edge in edges)
    backgrounds = Counter(edge.background for edge in edges)
    kinds = []
    if edges and min(things.values()) > 1:
        kinds.append(SAME_OBJECT)
    if edges and min(backgrounds.values()) > 1:
        kinds.append(SAME_SCENE)
    alike = [things[edge.thing] + backgrounds[edge.background] - 1 for edge in edges]
    if alike and max(alike) < len(edges):
        kinds += [SAME_PLACEMENT, UNRELATED] if endings else [UNRELATED]
    return tuple(kinds)
