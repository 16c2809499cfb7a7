"""`midstep own-endings`: draw several users' pictures of one output, by the step of the hand-over,
and compare them with each other."""

from __future__ import annotations

import csv
import io
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np

from midstep.diffusion.denoise import Denoiser
from midstep.draws import OWN_ENDING, integer
from midstep.errors import EXIT_MISSED, OptionError, RecordError
from midstep.reuse.judge import can_judge
from midstep.reuse.quality import psnr_db, ssim
from midstep.reuse.scenes import SIZE
from midstep.scenario import Scenario
from midstep.wire.identity import shared_seed
from midstep.workload.catalogue import Catalogue
from midstep.workload.requests import find_catalogue
from orchestrator.evaluation.reuse_curve.measuring import Measuring, Trip
from orchestrator.evaluation.reuse_curve.pair_journal import PairJournal, Place
from orchestrator.records.folders import write_at_once
from orchestrator.records.statistics import over_seeds
from orchestrator.watch.progress_bar import progress_bar

__all__ = ["Estimate", "OwnEndings", "Row", "own_endings"]

FIRST = 4  # core prompts of the first round; each later one has as many as all before
HEAD = (
    "handed over at",
    "pairs",
    "SSIM of two users' pictures",
    "PSNR, dB",
    "SSIM more than without reuse",
    "SSIM of one user's to its own without reuse",
    "PSNR, dB",
    "right",
)
ALONE = 0  # the step of pictures without reuse


@dataclass(frozen=True, kw_only=True)
class OwnEndings:
    """What the command's options say. `prompts`: core prompts; `users` of each, with another ending
    each; `steps` of the hand-over. `open_drawing` opens the denoiser, and what runs many
    trajectories on it together."""

    scenario: Scenario
    out: Path
    open_drawing: Callable[[Scenario], tuple[Denoiser, Callable[[Iterable[Trip]], None]]]
    prompts: int = 64
    users: int = 5
    steps: Sequence[int] = (4, 8, 10, 12, 14, 16, 18, 19)
    hours: float = 2.0


class Estimate(NamedTuple):
    """A mean over core prompts, and half of its 95 % interval, None for fewer than two."""

    mean: float
    half: float | None


@dataclass(frozen=True, kw_only=True)
class Row:
    """Pictures that were finished from one output at a step, 0: each user's without reuse. Means
    over core prompts with their 95 % intervals: how alike those of two users are, `more_ssim` than
    the same two users' without reuse (paired), and each user's own to the one without reuse;
    `right`: shares that show what their prompt says."""

    step: int
    prompts: int
    pairs: int
    alike_ssim: Estimate
    alike_psnr_db: Estimate
    more_ssim: Estimate | None
    own_ssim: Estimate | None
    own_psnr_db: Estimate | None
    right: float | None


def own_endings(wish: OwnEndings) -> int:
    """The command; its exit status: 1 where the time was over before all were drawn. Raises
    OptionError, ScenarioError, ModelError, RecordError."""
    scenario = wish.scenario
    if scenario.modes.denoiser == "paced":
        raise OptionError("own-endings: modes.denoiser paced computes no pictures; set it to real")
    began = time.monotonic()
    denoiser, run = wish.open_drawing(scenario)
    bench = _Bench(wish, denoiser)
    measuring = Measuring(denoiser, run, bench.noise, bench.judged, bench.journal)
    done = 0
    while done < wish.prompts:
        following = min(wish.prompts, max(FIRST, 2 * done))
        left_s = wish.hours * 3600 - (time.monotonic() - began)
        with progress_bar(f"core prompts {done} to {following - 1}") as advance:
            if not measuring.measure(bench.places(range(done, following)), left_s, advance):
                break
        done = following
        _write(wish.out, bench.rows(done), bench.title)
    print(f"wrote {wish.out}" if done else "nothing was finished")
    if done < wish.prompts:
        print(f"midstep: stopped after {wish.hours:g} h: call again to go on", file=sys.stderr)
        return EXIT_MISSED
    return 0


class _Bench:
    """What all rounds of a call share. Raises OptionError."""

    def __init__(self, wish: OwnEndings, denoiser: Denoiser) -> None:
        identity = denoiser.identity
        catalogue = find_catalogue(wish.scenario)
        endings = len(catalogue.endings) - 1
        if not 2 <= wish.users <= endings:
            raise OptionError(
                f"--users {wish.users}: give 2 to {endings}, as many endings as the catalogue has"
            )
        wrong = [step for step in wish.steps if not 0 < step < identity.steps]
        if wrong or not wish.steps:
            raise OptionError(f"--steps: give steps from 1 to {identity.steps - 1}")
        self._wish = wish
        self._catalogue = catalogue
        fits = (identity.height, identity.width) == (SIZE, SIZE) and can_judge(catalogue)
        self.judged: Catalogue | None = catalogue if fits else None
        self.title = (
            f"{identity.model}, {identity.steps} steps of {identity.scheduler}; {wish.users} users "
            f"of each core prompt, each with another ending; seed {wish.scenario.seed}."
        )
        shape = identity.height, identity.width, 3
        head = {"pipeline": asdict(identity), "seed": wish.scenario.seed}
        self.journal = PairJournal(wish.out, head, shape)

    def noise(self, core: str) -> int:
        """Seed of the noise that all users of a core prompt share."""
        return shared_seed(core, self._wish.scenario.seed)

    def places(self, numbers: Iterable[int]) -> Iterator[Place]:
        """The pictures of these core prompts' users, with reuse."""
        for number in numbers:
            core, prompts = self._users(number)
            for prompt in prompts:
                for step in self._wish.steps:
                    yield Place(core, prompt, step)

    def rows(self, count: int) -> list[Row]:
        """What the first `count` core prompts say, all drawn; without reuse first."""
        alone = [self._alike(number, ALONE)[0] for number in range(count)]
        return [self._row(count, step, alone) for step in (ALONE, *sorted({*self._wish.steps}))]

    def _users(self, number: int) -> tuple[str, list[str]]:
        """A core prompt that scenarios ask for, and its users' own prompts, all different."""
        catalogue = self._catalogue
        edge = catalogue.edges[number % len(catalogue.edges)]
        endings = [*catalogue.endings[1:]]
        prompts = []
        for user in range(self._wish.users):
            at = integer(len(endings), self._wish.scenario.seed, OWN_ENDING, number, user)
            prompts.append(catalogue.prompt(edge, endings.pop(at)))
        return catalogue.prompt(edge), prompts

    def _places(self, number: int, step: int) -> list[Place]:
        """The pictures of a core prompt's users at a step."""
        core, prompts = self._users(number)
        return [Place(core, prompt, step) for prompt in prompts]

    def _alike(self, number: int, step: int) -> tuple[float, float]:
        """Mean SSIM and PSNR of two users' pictures of a core prompt."""
        pictures = [self.journal.picture(place) for place in self._places(number, step)]
        return _means([(ssim(a, b), psnr_db(a, b)) for a, b in combinations(pictures, 2)])

    def _row(self, count: int, step: int, alone: Sequence[float]) -> Row:
        """A step's row; `alone`: SSIM of two users' pictures without reuse, by core prompt."""
        alike = [self._alike(number, step) for number in range(count)]
        more = [one - without for (one, _), without in zip(alike, alone, strict=True)]
        own: list[tuple[float, float]] = []
        right: list[float] = []
        for number in range(count):
            values = [self.journal.drawn[place].values for place in self._places(number, step)]
            if step != ALONE:
                own.append(_means([(of["ssim"], of["psnr"]) for of in values]))
            right += [of["fidelity"] for of in values if "fidelity" in of]
        pairs = self._wish.users * (self._wish.users - 1) // 2
        return Row(
            step=step,
            prompts=count,
            pairs=count * pairs,
            alike_ssim=_estimate([one for one, _ in alike]),
            alike_psnr_db=_estimate([one for _, one in alike]),
            more_ssim=_estimate(more) if step != ALONE else None,
            own_ssim=_estimate([one for one, _ in own]) if own else None,
            own_psnr_db=_estimate([one for _, one in own]) if own else None,
            right=float(np.mean(right)) if right else None,
        )


def _estimate(values: Sequence[float]) -> Estimate:
    value = over_seeds(values)
    mean = value["mean"]
    assert mean is not None  # there are values
    return Estimate(mean, value["ci95"])


def _means(values: Sequence[tuple[float, float]]) -> tuple[float, float]:
    first, second = zip(*values, strict=True)
    return float(np.mean(first)), float(np.mean(second))


def _write(folder: Path, rows: Sequence[Row], title: str) -> None:
    """Leave the table, as a page and as a CSV."""
    lines = [title, "", f"| {' | '.join(HEAD)} |", "|" + "---|" * len(HEAD)]
    for one in rows:
        cells = [
            "no reuse" if one.step == ALONE else str(one.step),
            str(one.pairs),
            _shown(one.alike_ssim, 3),
            _shown(one.alike_psnr_db, 1),
            "" if one.more_ssim is None else _shown(one.more_ssim, 3, "+"),
            "" if one.own_ssim is None else _shown(one.own_ssim, 3),
            "" if one.own_psnr_db is None else _shown(one.own_psnr_db, 1),
            "" if one.right is None else f"{one.right:.1%}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    text = io.StringIO()
    flat = [_flat(one) for one in rows]
    writer = csv.DictWriter(text, flat[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_at_once(folder / "endings.md", "\n".join(lines) + "\n")
        write_at_once(folder / "endings.csv", text.getvalue())
    except OSError as error:
        raise RecordError(f"--out {folder}: cannot be written: {error.strerror}") from error


def _flat(row: Row) -> Mapping[str, float | int | None]:
    cells: dict[str, float | int | None] = {}
    for name, value in vars(row).items():
        if isinstance(value, Estimate):
            cells[name] = value.mean
            cells[f"{name}_half"] = value.half
        elif name not in ("more_ssim", "own_ssim", "own_psnr_db"):
            cells[name] = value
        else:
            cells |= {name: None, f"{name}_half": None}
    return cells


def _shown(value: Estimate, digits: int, sign: str = "") -> str:
    half = "" if value.half is None else f" ± {value.half:.{digits}f}"
    return f"{value.mean:{sign}.{digits}f}{half}"
