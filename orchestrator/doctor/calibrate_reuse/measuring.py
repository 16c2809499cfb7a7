"""Measures what is open, round by round, into the journal."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from midstep.diffusion.denoise import Denoiser, Picture
from midstep.reuse.judge import judge
from midstep.reuse.likeness import LIKENESS, SAME_OBJECT, SAME_SCENE, UNRELATED
from midstep.reuse.limits import BOTH, POSITION, SIZE, VARIATION, WORDS
from midstep.reuse.proportions import all_right
from midstep.reuse.quality import psnr_db, ssim
from midstep.wire.frame import Frame
from midstep.workload.catalogue import Catalogue
from orchestrator.doctor.calibrate_reuse.cells import Target, wanted
from orchestrator.doctor.calibrate_reuse.drawing import Drawing
from orchestrator.doctor.calibrate_reuse.journal import Journal
from orchestrator.doctor.calibrate_reuse.pairs import Pair, Pairs

__all__ = ["Measuring", "Progress"]

# of a round: the classes that most requests are of come first
ORDER = (BOTH, POSITION, SIZE, WORDS, VARIATION, SAME_OBJECT, SAME_SCENE, UNRELATED, *LIKENESS)
ENOUGH = 16  # pair numbers that fill a batch: smaller groups are drawn with the next
HELD_NBYTES = 64 * 2**20  # of pictures without reuse
TOGETHER = 48  # pair numbers at most that are drawn and judged together

Place = tuple[str, int, int]  # class, pair, step
OpenSteps = dict[str, tuple[int, ...]]


class Progress:
    """Says how far a calibration is, every `every_s` seconds at most, by steps of the network."""

    def __init__(self, say: Callable[[str], None], every_s: float = 20.0) -> None:
        self._say = say
        self._every_s = every_s
        self._began = time.monotonic()
        self._last = self._began

    @property
    def spent_s(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    def tell(self, place: str, done: int, left: int) -> None:
        """`done` and `left` are steps of the network."""
        now = time.monotonic()
        if now - self._last < self._every_s or not done:
            return
        self._last = now
        rest_s = self.spent_s * left / done
        self._say(
            f"{place}; {self.spent_s / 60:.1f} min so far, about {rest_s / 60:.0f} more for this "
            f"class"
        )


class _OwnPictures:
    """Pictures without reuse, of the last pairs: classes in turn ask for the same ones."""

    def __init__(self) -> None:
        self._held: OrderedDict[tuple[str, int], Picture] = OrderedDict()
        self._nbytes = 0

    def of(self, pair: Pair) -> Picture | None:
        """The picture of a pair's prompt and noise, where it is held. A variation has none."""
        return None if pair.kind == VARIATION else self._held.get((pair.prompt, pair.seed))

    def keep(self, pair: Pair, picture: Picture) -> None:
        """Hold a picture, and let the oldest go where they are too many."""
        self._held[pair.prompt, pair.seed] = picture
        self._nbytes += picture.nbytes
        while self._nbytes > HELD_NBYTES:
            _, oldest = self._held.popitem(last=False)
            self._nbytes -= oldest.nbytes


class Measuring:
    """A calibration of `steps`, ascending, on one denoiser. `catalogue`: of the judge, None where
    nobody can judge."""

    def __init__(
        self,
        denoiser: Denoiser,
        pairs: Pairs,
        catalogue: Catalogue | None,
        journal: Journal,
        steps: tuple[int, ...],
    ) -> None:
        self._pairs = pairs
        self._catalogue = catalogue
        self._journal = journal
        self._whole = denoiser.identity.steps
        self._steps = steps
        self._drawing = Drawing(denoiser)
        self._own = _OwnPictures()

    def run(
        self,
        target: Target,
        counts: tuple[int, ...],
        progress: Progress,
        limit_s: float = float("inf"),
    ) -> tuple[dict[str, int], list[str]]:
        """Draw, look by look and class by class, until every cell is decided or has all its pairs.
        Returns the pairs that each class has without a gap, and the classes that are unfinished:
        some where `limit_s` seconds were over before."""
        drawn: dict[str, int] = {}
        enough = min(all_right(target.share), counts[-1])  # pairs, where all are right
        rounds = {
            kind: wanted(self._journal.values, (kind,), self._steps, target, counts)
            for kind in sorted(self._pairs.kinds, key=ORDER.index)
        }
        unfinished: list[str] = []
        while rounds:
            for kind in [*rounds]:
                following = next(rounds[kind], None)
                if following is None:
                    del rounds[kind]
                    continue
                first, last, open_steps = following
                ahead = max(0, enough - last)
                if self._draw(kind, range(first, last), ahead, open_steps, progress, limit_s):
                    drawn[kind] = last
                    continue
                drawn[kind] = self._known(kind, first, last, open_steps)
                unfinished.append(kind)
                del rounds[kind]
        return drawn, unfinished

    def _draw(
        self,
        kind: str,
        numbers: range,
        ahead: int,
        open_steps: OpenSteps,
        progress: Progress,
        limit_s: float,
    ) -> bool:
        """Draw a round of a class, `ahead` pairs being expected after it; whether the time was
        enough."""
        chunks = list(self._chunks(kind, numbers.start, numbers.stop))
        for i, chunk in enumerate(chunks):
            missing = self._missing(chunk, open_steps)
            if missing and progress.spent_s > limit_s:
                return False
            self._measure(missing)
            left = ahead + len(numbers) * (len(chunks) - 1 - i) / len(chunks)
            progress.tell(
                f"{kind}, pairs {numbers.start} to {numbers.stop - 1}: part {i + 1} of "
                f"{len(chunks)}",
                self._drawing.steps,
                round(left * self._steps_a_pair(open_steps)),
            )
        return True

    def _known(self, kind: str, first: int, last: int, open_steps: OpenSteps) -> int:
        """The first pair of a round that lacks a step: the pairs before it are a fair sample, as
        all were drawn whatever they show."""
        missing = self._missing(range(first, last), open_steps)
        return min((number for _, number in missing), default=last)

    def _steps_a_pair(self, open_steps: OpenSteps) -> int:
        """Steps of the network for all that is open of one pair number."""
        own = sum(self._whole for kind, steps in open_steps.items() if steps and kind != VARIATION)
        core = max((step for steps in open_steps.values() for step in steps), default=0)
        return own + core + sum(self._whole - m for steps in open_steps.values() for m in steps)

    def _chunks(self, kind: str, first: int, last: int) -> Iterator[list[int]]:
        """Pair numbers that are drawn and judged together: of one group, or of a few small ones."""
        groups: dict[int, list[int]] = {}
        for number in range(first, last):
            group = self._pairs.pair(kind, number).group
            groups.setdefault(group, []).append(number)
        waiting: list[int] = []
        for _, numbers in sorted(groups.items()):
            waiting += numbers
            while len(waiting) >= ENOUGH:
                yield waiting[:TOGETHER]
                waiting = waiting[TOGETHER:]
        if waiting:
            yield waiting

    def _missing(
        self, numbers: Sequence[int], open_steps: OpenSteps
    ) -> dict[tuple[str, int], list[int]]:
        """Steps that the journal has not, by class and pair."""
        known = self._journal.values
        missing: dict[tuple[str, int], list[int]] = {}
        for kind, steps in open_steps.items():
            for number in numbers:
                unknown = [step for step in steps if (kind, number, step) not in known]
                if unknown:
                    missing[kind, number] = unknown
        return missing

    def _measure(self, missing: dict[tuple[str, int], list[int]]) -> None:
        """Draw these pairs, judge them, and write it down."""
        if not missing:
            return
        pairs = {place: self._pairs.pair(*place) for place in missing}
        shared = {pair.number: pair for pair in pairs.values()}
        curves = [n for n in shared if n < self._pairs.curves and n not in self._journal.curves]
        stops = sorted({step for unknown in missing.values() for step in unknown})
        frames, psnr = self._drawing.shared([*shared.values()], stops, curves)
        wishes: dict[Place, tuple[Pair, Frame | None]] = {}
        drawn: dict[Place, Picture] = {}
        for (kind, number), unknown in missing.items():
            pair = pairs[kind, number]
            own = self._own.of(pair)
            if own is not None:
                drawn[kind, number, 0] = own
            elif kind != VARIATION:
                wishes[kind, number, 0] = pair, None
            for step in unknown:
                wishes[kind, number, step] = pair, frames[number][step]
        pictures = self._drawing.finished(wishes)
        for (kind, number, step), picture in pictures.items():
            if not step:
                self._own.keep(pairs[kind, number], picture)
        pictures |= drawn
        self._journal.add(self._values(pictures, pairs), psnr)

    def _values(
        self, pictures: dict[Place, Picture], pairs: dict[tuple[str, int], Pair]
    ) -> dict[Place, dict[str, float]]:
        """Qualities of the pictures."""
        values: dict[Place, dict[str, float]] = {place: {} for place in pictures}
        if "fidelity" in self._pairs.metrics:
            for place, right in self._right(pictures, pairs).items():
                values[place]["fidelity"] = float(right)
        for (kind, number, step), picture in pictures.items():
            own = pictures.get((kind, number, 0))
            if step and own is not None:
                of = values[kind, number, step]
                of["psnr"] = round(psnr_db(picture, own), 3)
                of["ssim"] = round(ssim(picture, own), 5)
        return {place: of for place, of in values.items() if of}

    def _right(
        self, pictures: dict[Place, Picture], pairs: dict[tuple[str, int], Pair]
    ) -> dict[Place, bool]:
        """Whether each picture shows object, background, size and position of its prompt."""
        assert self._catalogue is not None  # of pairs that are judged
        places = [*pictures]
        specs = []
        for kind, number, _ in places:
            spec = pairs[kind, number].spec
            assert spec is not None  # as above
            specs.append(spec)
        verdicts = judge(self._catalogue, np.stack([pictures[p] for p in places]), specs)
        return {
            place: (verdict.thing, verdict.background, verdict.ending)
            == (spec.edge.thing, spec.edge.background, spec.ending)
            for place, verdict, spec in zip(places, verdicts, specs, strict=True)
        }
