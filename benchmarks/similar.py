"""What finding like prompts costs: `python -m benchmarks.similar`. Exact and similar lookups in a
store of 10,000 and 100,000 outputs, alone and beside a running engine; admissions with their index
rows; an embedding against a denoising step; and how near like and unlike prompts are, by embedder.

The outputs are those of the shipped catalogue's prompts, with endings, and beyond those of free
text, at steps 4 to 12; every fifth request is free text. Rules that go by the cosine find nobody
among vectors of any direction, but for `fixed` with a threshold of .1: `all searched` is that. Wall
clock microseconds, p50 and p99 of the calls.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from edge_node.cache.base import Entry
from edge_node.cache.indexed import IndexedStore
from edge_node.cache.store import Store
from edge_node.similar import (
    AnyOutput,
    Calibrated,
    Finder,
    FixedThreshold,
    Nirvana,
    SimilarRule,
    Wanted,
)
from midstep.diffusion.denoise import Denoiser
from midstep.diffusion.factory import open_denoiser
from midstep.errors import ScenarioError
from midstep.reuse.embedding import (
    REFERENCES,
    Embedder,
    EncoderEmbedder,
    Vector,
    WordllamaEmbedder,
    WordsEmbedder,
)
from midstep.reuse.likeness import LIKENESS, Grammar, kinds
from midstep.reuse.table import Cell, ReuseTable
from midstep.scenario_file import load
from midstep.wire.frame import Frame
from midstep.wire.identity import OutputKey
from midstep.wire.messages import Quality
from midstep.workload.catalogue import Catalogue
from midstep.workload.requests import find_catalogue

STEPS = 20
PAYLOAD = bytes(8192)
QUALITY = Quality(metric="fidelity", floor=1.0, share=0.95)
OPPOSITES = (  # prompts that differ in one word that matters
    ("a room with a chair", "a room with no chair"),
    ("a dog on the left", "a dog on the right"),
    ("a red car", "a blue car"),
    ("two dogs", "three dogs"),
)
LAST = (12, 12, 10, 9, 10, 9, 8, 7, 6)  # the table's last good step by likeness


class Engine:
    """Denoises on and on in a thread of its own, as an edge's engine does, batch 2."""

    def __init__(self, denoiser: Denoiser) -> None:
        self._denoiser = denoiser
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.ticks = 0

    def __enter__(self) -> Engine:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ends.is_set():
            batch = [self._denoiser.begin(f"a panda {n}", n, STEPS) for n in range(2)]
            while batch[0].step < STEPS and not self._ends.is_set():
                self._denoiser.advance(batch)
                self.ticks += 1


def shared_key(prompt: str) -> str:
    """The key that everybody shares for a prompt."""
    return OutputKey.of("pipeline", prompt, None, 1).digest()


def prompts(catalogue: Catalogue) -> Iterator[str]:
    """The catalogue's prompts, core prompts first, then free text."""
    for ending in catalogue.endings:
        for edge in catalogue.edges:
            yield catalogue.prompt(edge, ending)
    number = 0
    while True:
        number += 1
        yield f"{catalogue.edge_prompts[number % 768]}, as picture {number}"


def table() -> ReuseTable:
    """A table with every likeness, as a calibration would write it."""
    cells = []
    for kind, last in zip(LIKENESS, LAST, strict=True):
        for step in range(1, STEPS):
            values = [1.0 if step <= last else 0.0] * 400
            cells.append(Cell.of(kind, step, "fidelity", values))
    text = dict(model="m", revision="r", scheduler="s", scheduler_config="c", dtype="float32")
    sizes = dict(steps=STEPS, guidance=3.0, height=64, width=64, share=0.95, floors={})
    return ReuseTable(**text, **sizes, cells=tuple(cells))  # type: ignore[arg-type]


def filled(
    store: IndexedStore, count: int, catalogue: Catalogue, random: np.random.Generator
) -> tuple[list[str], list[float]]:
    """Admit `count` outputs of random vectors; their keys, and the seconds of each admission."""
    keys: list[str] = []
    spent: list[float] = []
    source = prompts(catalogue)
    while len(keys) < count:
        prompt = next(source)
        key = shared_key(prompt)
        frame = Frame("pipeline", key, int(random.integers(4, 13)), STEPS, PAYLOAD, 0)
        entry = Entry(prompt, frame, embedding=vector_of(random, store.dimensions))
        began = time.perf_counter()
        store.admit(entry)
        spent.append(time.perf_counter() - began)
        keys.append(key)
    return keys, spent


def vector_of(random: np.random.Generator, dimensions: int) -> Vector:
    """A unit vector of any direction."""
    vector = random.normal(size=dimensions).astype(np.float32)
    unit: Vector = vector / np.linalg.norm(vector)
    return unit


def timed(call: Callable[[int], object], count: int) -> list[float]:
    """Seconds of each of `count` calls, after some that warm up."""
    for number in range(min(20, count)):
        call(number)
    spent = []
    for number in range(count):
        began = time.perf_counter()
        call(number)
        spent.append(time.perf_counter() - began)
    return spent


def show(what: str, spent: Sequence[float], of: str = "") -> None:
    """A row of the table."""
    p50, p99 = np.percentile(spent, [50, 99]) * 1e6
    print(f"  {what:58}{p50:11.1f}{p99:11.1f}  {of}", flush=True)


def rules() -> dict[str, SimilarRule]:
    """Rules that need no fit, by what their rows say."""
    return {
        "calibrated": Calibrated(STEPS, table()),
        "any": AnyOutput(STEPS),
        "fixed, threshold .1": FixedThreshold(STEPS, threshold=0.1),
        "fixed, threshold .9: all searched": FixedThreshold(STEPS, step=13),
        "nirvana: the nearest of all": Nirvana(STEPS),
    }


def lookups(count: int, dimensions: int, calls: int, where: str) -> None:
    """Measure a store of `count` outputs."""
    random = np.random.default_rng(1)
    catalogue = find_catalogue(load("laptop"))
    grammar = Grammar(catalogue)
    store = IndexedStore(Store(count * len(PAYLOAD)), grammar, dimensions, shared_key)
    keys, admissions = filled(store, count, catalogue, random)
    name = f"{count:,} outputs, {dimensions} numbers{where}"
    print(f"{name:60}{'p50 us':>11}{'p99 us':>11}")
    show("admission", admissions)
    show("exact lookup", timed(lambda n: store.lookup(keys[n * 7919 % count], STEPS), 10 * calls))
    vectors = [vector_of(random, dimensions) for _ in range(50)]
    wishes = [
        f"a request {n}" if n % 5 == 0 else catalogue.edge_prompts[n * 7 % 768] for n in range(50)
    ]
    embedder = WordsEmbedder(dimensions)
    for label, rule in rules().items():
        finder = Finder(store, rule, embedder, grammar)
        wanted: list[Wanted] = [
            finder.wanted(prompt, shared_key(prompt), 13, QUALITY) for prompt in wishes
        ]
        find = finder.find

        def call(
            number: int, find: Callable[..., object] = find, wanted: list[Wanted] = wanted
        ) -> object:
            return find(wanted[number % 50], vectors[number % 50])

        hits = sum(call(number) is not None for number in range(50))
        show(f"similar lookup, {label}", timed(call, calls), f"{hits} of 50 found one")


def embeddings(denoiser: Denoiser, calls: int) -> None:
    """Measure embeddings of prompts that were not seen before, and steps."""
    print(f"{'embedding, ' + denoiser.identity.model:60}{'p50 us':>11}{'p99 us':>11}")
    catalogue = find_catalogue(load("laptop"))
    source = prompts(catalogue)
    fresh = [next(source) for _ in range(3 * calls + 100)]
    trajectory = denoiser.begin("a panda", 1, STEPS)
    denoiser.advance([trajectory])
    steps = []
    for _ in range(STEPS - 1):
        began = time.perf_counter()
        denoiser.advance([trajectory])
        steps.append(time.perf_counter() - began)
    show("one denoising step of one request", steps)
    step_s = float(np.median(steps))
    for embedder in embedders(denoiser):
        spent = timed(lambda n, e=embedder: e.embed(fresh[50 + n]), calls)  # type: ignore[misc]
        share = float(np.median(spent)) / step_s
        show(f"{embedder.name}, {embedder.dimensions} numbers", spent, f"{share:.1%} of a step")


def embedders(denoiser: Denoiser) -> list[Embedder]:
    """Those that are here, each anew: an encoder keeps the vectors of prompts."""
    cores = find_catalogue(load("laptop")).edge_prompts
    here: list[Embedder] = [WordsEmbedder(), EncoderEmbedder(denoiser, cores[:REFERENCES])]
    with contextlib.suppress(ScenarioError):
        here.append(WordllamaEmbedder())
    return here


def cosines(denoiser: Denoiser) -> None:
    """Cosines of core prompts of the catalogue, by likeness."""
    print(f"{'cosine of core prompts':60}{'p5':>7}{'p50':>7}{'p95':>7}")
    catalogue = find_catalogue(load("laptop"))
    grammar = Grammar(catalogue)
    cores = catalogue.edge_prompts[100:300]
    parts = [grammar.parts(core) for core in cores]
    others = np.array(parts, np.int32)
    for embedder in embedders(denoiser):
        vectors = np.stack([embedder.embed(core) for core in cores])
        similarity = vectors @ vectors.T
        kind = np.stack([kinds(p, others, s) for p, s in zip(parts, similarity, strict=True)])
        apart = ~np.eye(len(cores), dtype=bool)
        for number in (0, 1, 3):
            low, middle, high = np.percentile(similarity[apart & (kind == number)], [5, 50, 95])
            what = f"{embedder.name}, {LIKENESS[number]}"
            print(f"  {what:58}{low:7.2f}{middle:7.2f}{high:7.2f}", flush=True)
        for one, other in OPPOSITES:
            cosine = float(embedder.embed(one) @ embedder.embed(other))
            print(f"  {embedder.name + ', ' + one + ' | ' + other:58}{cosine:14.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=1000, help="similar lookups of a row")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--alone", action="store_true", help="leave out the rows beside an engine")
    options = parser.parse_args()
    denoiser = open_denoiser(load("laptop"))
    cosines(denoiser)
    embeddings(denoiser, options.calls)
    for count in options.sizes:
        for dimensions in (128, 256):
            lookups(count, dimensions, options.calls, "")
    if options.alone:
        return
    for count in options.sizes:
        with Engine(denoiser) as engine:
            lookups(count, 256, options.calls, ", beside an engine")
        print(f"  ({engine.ticks} ticks of the engine meanwhile)")


if __name__ == "__main__":
    main()
