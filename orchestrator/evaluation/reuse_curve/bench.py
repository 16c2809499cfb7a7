"""The bench of a curve: what all points share, and how each of them serves the stream."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from midstep.diffusion.denoise import Denoiser
from midstep.errors import OptionError, RecordError
from midstep.reuse.embedding import Embedder, open_embedder
from midstep.reuse.judge import can_judge
from midstep.reuse.limits import ReuseLimits, open_limits, usable_table
from midstep.reuse.scenes import SIZE
from midstep.reuse.table import ReuseTable
from midstep.scenario import Scenario
from midstep.wire.identity import digest
from midstep.wire.messages import Quality
from midstep.workload.catalogue import Catalogue
from orchestrator.evaluation.reuse_curve.expected import Expectation
from orchestrator.evaluation.reuse_curve.keepers import KEEPERS
from orchestrator.evaluation.reuse_curve.layouts import layouts
from orchestrator.evaluation.reuse_curve.matrix import Limits, Marks
from orchestrator.evaluation.reuse_curve.measuring import Measuring, Trip
from orchestrator.evaluation.reuse_curve.oracle import Seeking, seek
from orchestrator.evaluation.reuse_curve.pair_journal import PairJournal, Place
from orchestrator.evaluation.reuse_curve.points import (
    QUALITIES,
    Drawn,
    Measured,
    Point,
    open_rule,
    rule_steps,
    sought,
)
from orchestrator.evaluation.reuse_curve.replay import (
    ByMatrix,
    ByRule,
    Served,
    World,
    replay,
)
from orchestrator.evaluation.reuse_curve.scores import Replayed
from orchestrator.evaluation.reuse_curve.shelf import Layout
from orchestrator.evaluation.reuse_curve.stream import Stream, catalogue_stream
from orchestrator.records.folders import write_at_once
from orchestrator.watch.progress_bar import progress_bar

__all__ = ["Bench", "ReuseCurve", "Run"]

Run = Callable[[Iterable[Trip]], None]
LAYOUTS = "layouts.json"
# requests of another seed, to warm up and to count, on which the kept steps are chosen
TUNED_AFTER = 500
TUNED_ON = 750


@dataclass(frozen=True, kw_only=True)
class ReuseCurve:
    """What the command's options say. `prompts`: a list instead of the catalogue's law; `sample`:
    counted requests whose pictures are drawn, 0: none; `keep`: a name of KEEPERS. `open_drawing`
    opens the denoiser, and what runs many trajectories on it together. `qualities`: what users ask
    for, each a group of points of its own. `measured` reads what a
    calibration has drawn of a catalogue's pairs, with cosines by an embedder; None: nothing is at
    hand."""

    scenario: Scenario
    out: Path
    rules: Sequence[str]
    capacities: Sequence[int]
    open_drawing: Callable[[Scenario], tuple[Denoiser, Run]]
    prompts: str | None = None
    requests: int = 2000
    warm_up: int = 500
    keep: str = "frequent"
    embeddings: Sequence[str] = ("auto",)
    qualities: Sequence[Quality] = QUALITIES
    sample: int = 512
    hours: float = 2.0
    measured: Measured | None = None


class Bench:
    """What all points of a call share: the stream, its embeddings, the model's table."""

    def __init__(self, wish: ReuseCurve, stream: Stream, denoiser: Denoiser) -> None:
        self._wish = wish
        self._file = wish.out / LAYOUTS
        self._identity = denoiser.identity
        self._steps = denoiser.identity.steps
        self.table: ReuseTable | None = usable_table(wish.scenario, denoiser.identity)
        cells = () if self.table is None else self.table.cells
        self._table_digest = digest([asdict(cell) for cell in cells], 4)
        embedders = {name: _embedder(wish.scenario, name, denoiser) for name in wish.embeddings}
        self._embedders = embedders
        tuning = _tuning(wish, stream)
        self._worlds = {name: World(stream, embedder) for name, embedder in embedders.items()}
        self._tuning = {name: World(tuning, embedder) for name, embedder in embedders.items()}
        self._limits: dict[Quality, ReuseLimits] = {}
        self.judged = self._judged(stream.catalogue)
        catalogue = stream.catalogue
        self._catalogue = catalogue
        self.expectation: Expectation | None = None
        if self.table is not None and catalogue is not None:
            self.expectation = Expectation(self.table, catalogue)
        self.title = self._title(stream, embedders)
        self.journal = self._journal(stream)

    def drawn(self) -> Mapping[str, Sequence[Drawn]]:
        """What a staircase is fitted to, by embedding; nothing where none was given, or the stream
        is no catalogue's. Raises OptionError."""
        measured = self._wish.measured
        if measured is None or self._catalogue is None:
            return {}
        of_model = self._catalogue, self._identity
        return {name: measured(*of_model, by) for name, by in self._embedders.items()}

    def replayed(self, points: Sequence[Point]) -> Iterator[Replayed]:
        """Every point at every capacity."""
        known = _read_layouts(self._file)
        work = [(capacity, point) for capacity in self._wish.capacities for point in points]
        with progress_bar(f"decisions of {len(work)} points") as advance:
            for capacity, point in work:
                world = self._worlds[point.embedding]
                name = self._name(world, capacity, point)
                if name not in known:
                    known[name] = self._layout(capacity, point)
                    _write_layouts(self._file, known)
                rows = self._replay(world, capacity, point, known[name], self._matrix(world, point))
                yield Replayed(capacity=capacity, point=point, layout=known[name], rows=rows)
                advance(1 / len(work))

    def sought(
        self, measuring: Measuring, chosen: Sequence[int], limit_s: float
    ) -> Iterator[Replayed]:
        """What the oracle does for the chosen requests, at every capacity, as long as `limit_s`
        seconds are not over."""
        began = time.monotonic()

        def measure(places: Iterable[Place]) -> bool:
            return measuring.measure(places, limit_s - (time.monotonic() - began))

        for capacity in self._wish.capacities:
            for points in sought(self._wish.embeddings, self._wish.qualities, self.table):
                replayed = self._sought(capacity, points, chosen, measure)
                if replayed is not None:
                    yield replayed

    def _sought(
        self,
        capacity: int,
        points: tuple[Point, Point],
        chosen: Sequence[int],
        measure: Callable[[Iterable[Place]], bool],
    ) -> Replayed | None:
        """What the oracle does at one point; None where there was no time to ask it about all. It
        finds the steps that its base keeps."""
        point, base = points
        world = self._worlds[point.embedding]
        first = world.stream.warm_up
        rule = open_rule(base, self._steps, self.table)
        assert rule is not None
        seeking = Seeking(rule, self.journal, {first + n for n in chosen})
        known = _read_layouts(self._file).get(self._name(world, capacity, base))
        layout = known or self._layout(capacity, base)
        limit_of = self._of(point.quality).limit
        rows: list[Served] = []

        def play() -> None:
            index = world.index()
            shelf = world.shelf(capacity, layout, KEEPERS[self._wish.keep](), index)
            chooser = ByRule(world, seeking, point.quality, index)
            rows[:] = replay(world.stream, shelf, limit_of, chooser, seeking.begin)[first:]

        if not seek(play, seeking, measure):
            return None
        return Replayed(capacity=capacity, point=point, layout=layout, rows=rows, only=chosen)

    def _name(self, world: World, capacity: int, point: Point) -> str:
        """A point's name in the file of layouts: with what the choice depends on."""
        fit = "".join(f" {digest(value, 4)}" for key, value in point.params if key == "fit")
        return (
            f"{world.stream.digest()} {self._table_digest} {self._wish.keep} {capacity} "
            f"{point.label}{fit}"
        )

    def _replay(
        self, world: World, capacity: int, point: Point, layout: Layout, limits: Limits | None
    ) -> list[Served]:
        """How a stream's counted requests are served, by a rule whose `limits` those are."""
        marks = Marks(world.likenesses, self._steps + 1)
        shelf = world.shelf(capacity, layout, KEEPERS[self._wish.keep](), marks)
        steps = (*layout.own, *layout.common)
        chooser = None if limits is None else ByMatrix(limits, marks, steps)
        limit_of = self._of(point.quality).limit
        return replay(world.stream, shelf, limit_of, chooser)[world.stream.warm_up :]

    def _layout(self, capacity: int, point: Point) -> Layout:
        """The kept steps with which a point saves most, on the stream for tuning."""
        limits = self._of(point.quality)
        # the last step serves who asks for a core prompt itself
        own = [*(limits.by_class.values() or [limits.fallback]), self._steps - 1]
        rule = open_rule(point, self._steps, self.table)
        steps = [] if rule is None else rule_steps(rule, point.quality, self._steps)
        world = self._tuning[point.embedding]
        matrix = self._matrix(world, point)

        def saved(layout: Layout) -> int:
            return sum(row.step for row in self._replay(world, capacity, point, layout, matrix))

        return max(layouts(own, steps, self._steps), key=saved)

    def _matrix(self, world: World, point: Point) -> Limits | None:
        """What a point's rule allows between a world's prompts; None without a rule."""
        rule = open_rule(point, self._steps, self.table)
        return None if rule is None else Limits(world.likenesses, rule, point.quality)

    def _of(self, quality: Quality) -> ReuseLimits:
        """The users' own limits at a quality."""
        limits = self._limits.get(quality)
        if limits is None:
            scenario = self._wish.scenario
            reuse = scenario.reuse.model_copy(
                update={"metric": quality.metric, "floor": quality.floor, "share": quality.share}
            )
            limits = open_limits(scenario.model_copy(update={"reuse": reuse}), self._identity)
            self._limits[quality] = limits
        return limits

    def _judged(self, catalogue: Catalogue | None) -> Catalogue | None:
        size = self._identity.height, self._identity.width
        fits = catalogue is not None and size == (SIZE, SIZE) and can_judge(catalogue)
        return catalogue if fits else None

    def _title(self, stream: Stream, embedders: Mapping[str, Embedder]) -> str:
        identity = self._identity
        names = ", ".join(f"{name} ({embedder.name})" for name, embedder in embedders.items())
        return (
            f"{identity.model}, {identity.steps} steps of {identity.scheduler}; stream: "
            f"{stream.name}, {stream.counted} requests after {stream.warm_up} to warm up, seed "
            f"{stream.seed}; prompts are kept by `{self._wish.keep}`; embeddings: {names}."
        )

    def _journal(self, stream: Stream) -> PairJournal:
        identity = self._identity
        head = {"pipeline": asdict(identity), "seed": stream.seed}
        shape = identity.height, identity.width, 3
        return PairJournal(self._wish.out, head, shape)


def _embedder(scenario: Scenario, name: str, denoiser: Denoiser) -> Embedder:
    """The embedder of a value of reuse.embedding. Raises OptionError, ScenarioError."""
    known = ("auto", "encoder", "words", "wordllama")
    if name not in known:
        raise OptionError(f"--embeddings: there is no {name[:60]}; give {', '.join(known)}")
    reuse = scenario.reuse.model_copy(update={"embedding": name})
    return open_embedder(scenario.model_copy(update={"reuse": reuse}), denoiser)


def _tuning(wish: ReuseCurve, stream: Stream) -> Stream:
    """A stream that is not counted: of the same law and another seed, or a list's warm-up."""
    if wish.prompts is None:
        other = wish.scenario.model_copy(update={"seed": wish.scenario.seed + 1})
        return catalogue_stream(other, TUNED_ON, TUNED_AFTER)
    head = stream.requests[: stream.warm_up] or stream.requests
    return replace(stream, requests=head, warm_up=len(head) // 4)


def _read_layouts(path: Path) -> dict[str, Layout]:
    try:
        tree = json.loads(path.read_text())
        return {name: Layout(tuple(own), tuple(common)) for name, (own, common) in tree.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise RecordError(f"{path}: damaged ({error}); delete it to choose again") from error


def _write_layouts(path: Path, layouts_by_name: Mapping[str, Layout]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_at_once(path, json.dumps(layouts_by_name, indent=1))
    except OSError as error:
        raise RecordError(f"{path}: cannot be written: {error.strerror}") from error
