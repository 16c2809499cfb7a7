"""Draws the pictures that a replay names, with and without reuse, and writes down their quality."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from midstep.diffusion.denoise import Denoiser, Picture, Trajectory
from midstep.reuse.judge import judge
from midstep.reuse.likeness import Grammar
from midstep.reuse.quality import psnr_db, ssim
from midstep.reuse.render import Spec
from midstep.wire.frame import Frame
from midstep.workload.catalogue import Catalogue, Edge
from orchestrator.evaluation.reuse_curve.pair_journal import PairJournal, Place

__all__ = ["Measuring", "Trip", "missing_places"]

TOGETHER = 48  # pairs of prompts that are drawn and judged together


class Trip(NamedTuple):
    """A trajectory to be run through `stops`, ascending; `at` is called at each of them."""

    start: Callable[[int], Trajectory]
    stops: Sequence[int]
    at: Callable[[Trajectory], None]


def missing_places(journal: PairJournal, places: Iterable[Place]) -> list[Place]:
    """What has to be drawn for these: those that the journal has not, each with its picture without
    reuse."""
    needed = dict.fromkeys(needed for place in places for needed in (place._replace(step=0), place))
    return [place for place in needed if place not in journal.drawn]


class Measuring:
    """Pictures of pairs on one denoiser. `run` advances trips together; `noise` gives the seed of a
    core prompt's noise; `catalogue`: of the judge, None where nobody can judge."""

    def __init__(
        self,
        denoiser: Denoiser,
        run: Callable[[Iterable[Trip]], None],
        noise: Callable[[str], int],
        catalogue: Catalogue | None,
        journal: PairJournal,
    ) -> None:
        self._denoiser = denoiser
        self._run = run
        self._noise = noise
        self._catalogue = catalogue
        self._grammar = Grammar(catalogue)
        self._journal = journal
        self._whole = denoiser.identity.steps
        self._frames: dict[tuple[str, int], Frame] = {}  # outputs of donors: some KB each

    def measure(
        self,
        places: Iterable[Place],
        limit_s: float = float("inf"),
        advance: Callable[[float], None] = lambda _: None,
    ) -> bool:
        """Draw what the journal has not; whether all of it was, before `limit_s` seconds were over.
        `advance` is called with each further share of the work."""
        began = time.monotonic()
        missing = missing_places(self._journal, places)
        for chunk in self._chunks(missing):
            if time.monotonic() - began > limit_s:
                return False
            self._measure(chunk)
            advance(len(chunk) / len(missing))
        return True

    def _chunks(self, places: Sequence[Place]) -> Iterator[list[Place]]:
        """Places of TOGETHER pairs, of one background each: the judge is set up for one."""
        pairs: defaultdict[tuple[str, str], list[Place]] = defaultdict(list)
        for place in places:
            pairs[place.donor, place.prompt].append(place)
        groups: defaultdict[int, list[list[Place]]] = defaultdict(list)
        for (_, prompt), members in pairs.items():
            groups[self._grammar.parts(prompt).background].append(members)
        for _, members_of in sorted(groups.items()):
            for first in range(0, len(members_of), TOGETHER):
                yield [one for pair in members_of[first : first + TOGETHER] for one in pair]

    def _measure(self, places: Sequence[Place]) -> None:
        """Draw these places and write them down. The picture without reuse is among them, or in the
        journal."""
        self._run(self._donors(places))
        pictures: dict[Place, Picture] = {}
        self._run(self._trip(place, pictures) for place in places)
        right = self._right(pictures)
        values: dict[Place, tuple[Mapping[str, float], Picture]] = {}
        for place, picture in pictures.items():
            of = {"fidelity": float(right[place])} if place in right else {}
            if place.step:
                alone = place._replace(step=0)
                without = pictures[alone] if alone in pictures else self._journal.picture(alone)
                of["psnr"] = round(psnr_db(picture, without), 3)
                of["ssim"] = round(ssim(picture, without), 5)
            values[place] = of, picture
        self._journal.add(values)

    def _donors(self, places: Sequence[Place]) -> list[Trip]:
        """The trajectories of core prompts whose outputs are not at hand."""
        stops: defaultdict[str, set[int]] = defaultdict(set)
        for place in places:
            if place.step and (place.donor, place.step) not in self._frames:
                stops[place.donor].add(place.step)
        return [self._donor(core, sorted(steps)) for core, steps in stops.items()]

    def _donor(self, core: str, stops: Sequence[int]) -> Trip:
        def start(until: int) -> Trajectory:
            return self._denoiser.begin(core, self._noise(core), until)

        def at(trajectory: Trajectory) -> None:
            frame = self._denoiser.freeze(trajectory, core)
            self._frames[core, trajectory.step] = frame

        return Trip(start, stops, at)

    def _trip(self, place: Place, pictures: dict[Place, Picture]) -> Trip:
        def start(until: int) -> Trajectory:
            if not place.step:
                return self._denoiser.begin(place.prompt, self._noise(place.donor), until)
            frame = self._frames[place.donor, place.step]
            return self._denoiser.resume(frame, place.prompt, until, None)

        def at(trajectory: Trajectory) -> None:
            pictures[place] = self._denoiser.decode(trajectory)

        return Trip(start, [self._whole], at)

    def _right(self, pictures: Mapping[Place, Picture]) -> dict[Place, bool]:
        """Whether each picture shows object, background, size and position of its prompt; nothing
        where nobody can judge."""
        if self._catalogue is None:
            return {}
        specs = {}
        for place in pictures:
            parts = self._grammar.parts(place.prompt)
            if parts.thing >= 0:
                edge = Edge(parts.thing, parts.background)
                specs[place] = Spec(edge, self._catalogue.endings[parts.ending])
        if not specs:
            return {}
        stack = np.stack([pictures[place] for place in specs])
        verdicts = judge(self._catalogue, stack, [*specs.values()])
        return {
            place: (verdict.thing, verdict.background, verdict.ending)
            == (spec.edge.thing, spec.edge.background, spec.ending)
            for verdict, (place, spec) in zip(verdicts, specs.items(), strict=True)
        }
