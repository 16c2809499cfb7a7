"""`midstep simulate`: a preset under several policies, many seeds; a table, seeds.csv and
summary.json."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from midstep.errors import OptionError, RecordError
from midstep.whole_file import replacing
from orchestrator import policies
from orchestrator.evaluation.simulator.many import play_lanes, summarised
from orchestrator.evaluation.simulator.presets import Preset
from orchestrator.records import summary
from orchestrator.records.folders import claim_folder, released_on_failure
from orchestrator.records.versions import versions
from orchestrator.watch.progress_bar import progress_bar

__all__ = ["cell", "is_open", "run", "show", "simulate", "write"]

MARKER = "summary.json"
COLUMNS = {  # the header's two lines, what mean and interval are multiplied with, decimals at most
    "response_ms": ("response\nms", 1.0, 2),
    "response_by_slot_ms": ("response\nms", 1.0, 2),
    "response_per_request_ms": ("per request\nms", 1.0, 2),
    "reduction_vs_ncldc": ("below\nncldc, %", 100.0, 2),
    "hit_ratio": ("hit ratio\n%", 100.0, 1),
    "gap_to_exact": ("gap to\nexact, %", 100.0, 2),
    "queue_ms": ("Q\nms", 1.0, 0),
}


def is_open(preset: Preset) -> bool:
    """Whether the catalogue is simulated request by request, by the open model, instead of lane by
    lane."""
    return preset.edge == "shared" and preset.timing == "proactive" and not preset.distinct


def simulate(
    preset: Preset,
    names: Sequence[str],
    seeds: int,
    slots: int,
    out: str | None,
    first_seed: int = 0,
    warmup: int | None = None,
) -> int:
    """The command's exit status. Seeds are `first_seed` and those that follow it. The first
    `warmup` slots are not measured; None: a fifth of them, half of them in open catalogues. Raises
    OptionError, ScenarioError or RecordError, one line."""
    if slots < 10 or seeds < 1:
        raise OptionError(f"--slots {slots} --seeds {seeds}: at least 10 slots and 1 seed")
    for name in names:
        policies.find(name, "simulate")
    folder = claim_folder(f"simulate-{preset.name}", out, MARKER, ("seeds.csv",))
    if warmup is None:
        warmup = slots // 2 if is_open(preset) else slots // 5
    numbers = list(range(first_seed, first_seed + seeds))
    began = time.perf_counter()
    title = f"{preset.name}, {len(names)} policies, {seeds} seeds, {slots} slots"
    with released_on_failure(folder, MARKER):
        with progress_bar(title) as advance:
            results = run(preset, names, numbers, slots, warmup, advance)
        wall = time.perf_counter() - began
        about = {
            "name": preset.name,
            "preset": preset.model_dump(mode="json"),
            "seeds": numbers,
            "slots": slots,
            "warmup": warmup,
            "modes": {"edge": preset.edge, "timing": preset.timing},
            "wall_s": round(wall, 3),
            "versions": versions(),
        }
        by_policy = summarised(results)
        write(folder, results, {"policies": by_policy, "run": about}, numbers)
    show(
        by_policy,
        f"{preset.name} ({preset.edge}, {preset.timing}), {seeds} seeds; of {slots} slots the "
        f"first {warmup} warm up",
    )
    print(f"{wall:.1f} s; {folder / 'summary.json'}")
    return 0


def run(
    preset: Preset,
    names: Sequence[str],
    seeds: Sequence[int],
    slots: int,
    warmup: int,
    advance: Callable[[float], None] | None = None,
) -> Mapping[str, Mapping[str, Any]]:
    """policy -> metric -> one value a seed. `advance` gets the share done since its last call."""
    if not is_open(preset):
        return play_lanes([(preset, seed) for seed in seeds], names, slots, warmup, advance)
    from orchestrator.evaluation.simulator import open as open_catalogue

    before = 0.0

    def total(share: float) -> None:
        nonlocal before
        if advance is not None:
            advance(share - before)
        before = share

    return open_catalogue.simulate(preset, names, seeds, slots, warmup, total)


def write(
    folder: Path,
    results: Mapping[str, Mapping[str, Any]],
    tree: Mapping[str, Any],
    seeds: Sequence[int],
) -> None:
    """seeds.csv, every value of every seed, and summary.json. Raises RecordError where they cannot
    be written."""
    try:
        table = folder / "seeds.csv"
        with replacing(table) as fresh, fresh.open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["policy", "metric", "seed", "value"])
            for name, metrics in results.items():
                for metric, values in metrics.items():
                    rows.writerows(
                        [name, metric, seed, float(v)]
                        for seed, v in zip(seeds, values, strict=True)
                    )
        summary.write(folder, tree)
    except OSError as error:
        raise RecordError(f"{folder}: cannot be written: {error}") from error


def show(policies: Mapping[str, Mapping[str, Mapping[str, float | None]]], title: str) -> None:
    """The table that people read, within 80 columns, below its title."""
    print(title)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("policy", no_wrap=True, vertical="bottom")
    columns = [metric for metric in COLUMNS if any(metric in m for m in policies.values())]
    for metric in columns:
        table.add_column(COLUMNS[metric][0], justify="right", no_wrap=True)
    for name, metrics in policies.items():
        table.add_row(
            name, *(cell(metrics.get(metric, {}), *COLUMNS[metric][1:]) for metric in columns)
        )
    Console().print(table)


def cell(value: Mapping[str, float | None], scale: float, decimals: int) -> str:
    """Mean±half, both in the same unit and with as many decimals, at most four digits of the mean
    in all."""
    mean = value.get("mean")
    half = value.get("ci95")
    if mean is None:
        return "-"
    size = abs(scale * mean)
    decimals = min(decimals, 2 if size < 100 else 1 if size < 1000 else 0)
    text = f"{scale * mean:.{decimals}f}"
    return text if half is None else f"{text}±{scale * half:.{decimals}f}"
