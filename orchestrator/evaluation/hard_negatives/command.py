"""`midstep hard-negatives`: draw, judge by forced choice, and say what reuse has changed."""

from __future__ import annotations

import csv
import io
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from midstep.diffusion.denoise import Denoiser
from midstep.errors import EXIT_MISSED, OptionError, RecordError
from midstep.reuse.judge import can_judge, choose
from midstep.reuse.likeness import Grammar
from midstep.reuse.limits import class_limit, floor_of, table_path, usable_table
from midstep.reuse.scenes import SIZE
from midstep.reuse.table import ReuseTable
from midstep.scenario import Scenario
from midstep.wire.identity import shared_seed
from midstep.workload.requests import find_catalogue
from orchestrator.evaluation.hard_negatives.findings import Judged, page, rows
from orchestrator.evaluation.hard_negatives.pairs import HardPair, HardPairs
from orchestrator.evaluation.reuse_curve.measuring import Measuring, Trip
from orchestrator.evaluation.reuse_curve.pair_journal import PairJournal, Place
from orchestrator.records.folders import write_at_once
from orchestrator.watch.progress_bar import progress_bar

__all__ = ["HardNegatives", "hard_negatives"]

FIRST = 24  # pairs of an attribute in the first round; each later one has as many as all before


@dataclass(frozen=True, kw_only=True)
class HardNegatives:
    """What the command's options say. `pairs`: of an attribute; `steps`: to draw beside the
    calibrated limit. `open_drawing` opens the denoiser, and what runs many trajectories on it
    together."""

    scenario: Scenario
    out: Path
    open_drawing: Callable[[Scenario], tuple[Denoiser, Callable[[Iterable[Trip]], None]]]
    pairs: int = 400
    steps: Sequence[int] = ()
    hours: float = 2.0


def hard_negatives(wish: HardNegatives) -> int:
    """The command; its exit status: 1 where the time was over before all pairs were drawn. Raises
    OptionError, ScenarioError, ModelError, RecordError."""
    scenario = wish.scenario
    if scenario.modes.denoiser == "paced":
        raise OptionError(
            "hard-negatives: modes.denoiser paced computes no pictures; set it to real"
        )
    began = time.monotonic()
    denoiser, run = wish.open_drawing(scenario)
    bench = Bench(wish, denoiser)
    measuring = Measuring(denoiser, run, bench.noise, bench.catalogue, bench.journal)
    done = 0
    while done < wish.pairs:
        following = min(wish.pairs, max(FIRST, 2 * done))
        places = [place for _, _, place in bench.places(range(done, following))]
        left_s = wish.hours * 3600 - (time.monotonic() - began)
        with progress_bar(f"pairs {done} to {following - 1} of each attribute") as advance:
            if not measuring.measure(places, left_s, advance):
                break
        done = following
        _write(wish.out, bench.judged(done), bench)
    if not done:
        _write(wish.out, [], bench)
    print(f"wrote {wish.out}")
    if done < wish.pairs:
        print(f"midstep: stopped after {wish.hours:g} h: call again to go on", file=sys.stderr)
        return EXIT_MISSED
    return 0


class Bench:
    """What all pairs of a call share. Raises OptionError where nobody can judge the pictures, there
    is no table of reuse, or a step is none."""

    def __init__(self, wish: HardNegatives, denoiser: Denoiser) -> None:
        scenario = wish.scenario
        identity = denoiser.identity
        self._seed = scenario.seed
        self.catalogue = find_catalogue(scenario)
        if (identity.height, identity.width) != (SIZE, SIZE) or not can_judge(self.catalogue):
            raise OptionError(
                f"hard-negatives: nobody can judge the pictures of {scenario.model.path}"
            )
        table = usable_table(scenario, identity)
        path = table_path(scenario)
        if table is None or path is None:
            raise OptionError(
                f"hard-negatives: {scenario.model.path} has no table of reuse for these settings; "
                f"`midstep calibrate --reuse --likeness` measures one"
            )
        wrong = [step for step in wish.steps if not 0 < step < identity.steps]
        if wrong:
            raise OptionError(f"--steps: give steps from 1 to {identity.steps - 1}, not {wrong[0]}")
        self._steps = wish.steps
        self._pairs = HardPairs(self.catalogue, scenario.workload.plain_share, scenario.seed)
        grammar = Grammar(self.catalogue)
        self._likeness = {
            name: _likeness(grammar, self._pairs.pair(name, 0)) for name in self._pairs.attributes
        }
        metric, floor = floor_of(scenario, table, path)
        share = scenario.reuse.share
        self._limit = _limits(table, self._likeness.values(), (metric, floor), share)
        self.title = (
            f"{identity.model}, {identity.steps} steps of {identity.scheduler}; limits by "
            f"{metric} {floor:g} with a share of {share:g}; seed {scenario.seed}."
        )
        self.unserved = [
            f"{name}: {kind} serves nobody at that quality."
            for name, kind in self._likeness.items()
            if not self._limit[kind]
        ]
        if len(self.unserved) == len(self._likeness) and not wish.steps:
            raise OptionError(
                f"hard-negatives: at {metric} {floor:g} with a share of {share:g} no output serves "
                f"another prompt: lower reuse.share (--set reuse.share=0.95), or give --steps"
            )
        shape = identity.height, identity.width, 3
        head = {"pipeline": asdict(identity), "seed": scenario.seed}
        self.journal = PairJournal(wish.out, head, shape)

    def noise(self, donor: str) -> int:
        """Seed of the noise of a donor's output."""
        return shared_seed(donor, self._seed)

    def places(self, numbers: Iterable[int]) -> Iterator[tuple[HardPair, int, Place]]:
        """The pictures of these pairs of every attribute, with reuse."""
        for number in numbers:
            for name in self._pairs.attributes:
                pair = self._pairs.pair(name, number)
                for step in self._steps_of(name):
                    yield pair, step, Place(pair.donor, pair.prompt, step)

    def judged(self, count: int) -> list[Judged]:
        """The verdicts on the first `count` pairs, all drawn."""
        own: dict[tuple[str, int], list[tuple[bool, bool]]] = {}
        whole: dict[tuple[str, int], list[tuple[bool, bool]]] = {}
        for pair, step, place in self.places(range(count)):
            of = pair.attribute, step
            alone = place._replace(step=0)
            own.setdefault(of, []).append((self._own(pair, place), self._own(pair, alone)))
            whole.setdefault(of, []).append((self._right(place), self._right(alone)))
        return [
            Judged(
                attribute=name,
                likeness=self._likeness[name],
                step=step,
                limit=step == self._limit[self._likeness[name]],
                own=own[name, step],
                whole=whole[name, step],
            )
            for name in self._pairs.attributes
            for step in self._steps_of(name)
        ]

    def _steps_of(self, attribute: str) -> list[int]:
        limit = self._limit[self._likeness[attribute]]
        return sorted({*self._steps, *([limit] if limit else [])})

    def _own(self, pair: HardPair, place: Place) -> bool:
        """Whether a picture is judged as the user's own, not the donor's."""
        return choose(self.catalogue, self.journal.picture(place), (pair.own, pair.other)) == 0

    def _right(self, place: Place) -> bool:
        return self.journal.drawn[place].values["fidelity"] == 1


def _likeness(grammar: Grammar, pair: HardPair) -> str:
    return grammar.kind(pair.prompt, pair.donor, 1.0)


def _limits(
    table: ReuseTable, kinds: Iterable[str], quality: tuple[str, float], share: float
) -> Mapping[str, int]:
    return {kind: class_limit(table, kind, quality, share) or 0 for kind in kinds}


def _write(folder: Path, judged: Sequence[Judged], bench: Bench) -> None:
    """Leave the tables."""
    text = io.StringIO()
    of = rows(judged)
    if of:
        writer = csv.DictWriter(text, of[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(of)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_at_once(folder / "hard.md", page(judged, bench.title, bench.unserved))
        write_at_once(folder / "hard.csv", text.getvalue())
    except OSError as error:
        raise RecordError(f"--out {folder}: cannot be written: {error.strerror}") from error
