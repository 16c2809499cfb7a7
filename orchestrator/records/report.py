"""report.html of a run: one file with its numbers, plots and pictures; made from what lies in the
run's folder."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from midstep import scenario_file as scenarios
from midstep.scenario import Scenario
from orchestrator.records import plots, summary
from orchestrator.records.recorder import read_events, read_run

STYLE = (Path(__file__).parent / "report.css").read_text()
SHOWN = 24  # gallery rows
TILES = (
    ("requests", "pictures finished", "{:.0f}"),
    ("response_per_request_ms", "response, mean (ms)", "{:,.0f}"),
    ("p95_s", "response, p95 (s)", "{:.2f}"),
    ("hit_ratio", "hit ratio", "{:.1%}"),
    ("saved_ms", "edge time saved a request (ms)", "{:.1f}"),
    ("psnr_db", "PSNR against no reuse (dB)", "{:.1f}"),
    ("rejected", "rejected", "{:.0f}"),
    ("failed", "failed", "{:.0f}"),
)


def write(folder: Path) -> Path:
    """Write folder/report.html, and summary.json where a run that broke off left none. Raises
    ScenarioError."""
    rows, slots = read_run(folder)
    scenario = scenarios.parse(
        yaml.safe_load((folder / "scenario.yaml").read_text()), (), str(folder)
    )
    if not (folder / "summary.json").is_file():
        wall = max((slot["start_s"] for slot in slots), default=0.0)
        events = [
            *read_events(folder),
            {"at_s": wall, "text": "the run broke off; this is what its journals hold"},
        ]
        summary.write(folder, summary.summarise(scenario, rows, slots, events, {}, wall))
    told = json.loads((folder / "summary.json").read_text())
    path = folder / "report.html"
    path.write_text(_page(folder, scenario, told, rows, slots))
    return path


def _page(
    folder: Path,
    scenario: Scenario,
    told: dict[str, Any],
    rows: list[dict[str, Any]],
    slots: list[dict[str, Any]],
) -> str:
    done = [row for row in rows if row["result"] == "done"]
    metrics = told["policies"][scenario.policy.name]
    title = f"{scenario.name}: {scenario.policy.name}, {scenario.users} users"
    parts = [f"<h1>{html.escape(title)}</h1>", _verdict(told), _tiles(metrics)]
    names = [edge.name for edge in scenario.edges]
    parts += [_edges(told)]
    for name in names:
        its = (
            [row for row in done if row["edge"] == name],
            [slot for slot in slots if slot["edge"] == name],
        )
        parts.append(f"<h2>{html.escape(name)}</h2>" if len(names) > 1 else "")
        parts.append(_plots(*its, scenario.slot_seconds))
    parts += [
        _events(told),
        _gallery(folder, rows),
        _fidelity(told),
        _modes(scenario, told),
        _failures(rows),
    ]
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(title)}</title>"
        f"<style>{STYLE}</style><body>{''.join(parts)}</body></html>\n"
    )


def _plots(done: list[dict[str, Any]], slots: list[dict[str, Any]], tau: float) -> str:
    if not done or not slots:
        return ""
    figures = [
        plots.stages(done),
        plots.responses(done),
        plots.over_time(slots, tau),
        plots.users(slots, tau),
        plots.backlog(slots, tau),
        plots.gap(slots, tau),
        plots.learning(slots, tau),
    ]
    return (
        '<div class="plots">'
        + "".join(f"<figure>{svg}</figure>" for svg in figures if svg)
        + "</div>"
    )


def _edges(told: dict[str, Any]) -> str:
    """A line for each edge, where there are several."""
    if "edges" not in told:
        return ""
    lines = []
    for name, metrics in told["edges"].items():
        values = [metrics[metric]["mean"] for metric, _, _ in TILES]
        shown = [
            "–" if v is None else form.format(v)
            for v, (_, _, form) in zip(values, TILES, strict=True)
        ]
        lines.append([name, *shown])
    return "<h2>Edges</h2>" + _table(["edge", *(label for _, label, _ in TILES)], lines)


def _verdict(told: dict[str, Any]) -> str:
    kind = "good" if told["verdict"] == "VALID" else "bad"
    return f'<p class="verdict {kind}">{html.escape(told["verdict"])}</p>'


def _tiles(metrics: dict[str, Any]) -> str:
    cells = []
    for name, label, form in TILES:
        value = metrics[name]["mean"]
        half = metrics[name]["ci95"]
        shown = "–" if value is None else form.format(value)
        cells.append(
            f"<div><b>{shown}</b>{'' if half is None else f'<i>± {form.format(half)}</i>'}<span>{label}</span></div>"
        )
    return f'<div class="tiles">{"".join(cells)}</div>'


def _events(told: dict[str, Any]) -> str:
    events = told["run"]["events"]
    if not events:
        return ""
    items = "".join(
        f"<li>{event['at_s']:.1f} s: {html.escape(event['text'])}</li>" for event in events
    )
    return f"<h2>What happened</h2><ul>{items}</ul>"


def _gallery(folder: Path, rows: Iterable[dict[str, Any]]) -> str:
    compared = [row for row in rows if row["psnr_db"] is not None]
    compared.sort(key=lambda row: (row["reuse"] != "exact", row["request_id"]))
    figures = []
    for row in compared[:SHOWN]:
        pictures = [
            folder / "images" / f"{row['request_id']}{kind}.png"
            for kind in ("-frame", "", "-reference")
        ]
        if not all(path.is_file() for path in pictures):
            continue
        encoded = [base64.b64encode(path.read_bytes()).decode() for path in pictures]
        images = "".join(f'<img src="data:image/png;base64,{data}">' for data in encoded)
        figures.append(
            f"<figure>{images}<figcaption><b>{html.escape(row['prompt'])}</b><br>"
            f"edge: {html.escape(row['edge_prompt'])}<br>"
            f"{row['reuse']}, steps "
            f"{row['edge_steps']}+{row['saved_steps']}+{row['device_steps']}, "
            f"{row['psnr_db']:.1f} dB</figcaption></figure>"
        )
    if not figures:
        return ""
    head = (
        "<h2>Pictures</h2><p>The frame as the device received it, the picture it made of it, and "
        "the same picture "
        "without reuse (the user's own prompt from the first step on, same seed). Steps: edge + "
        "saved + device.</p>"
    )
    return f'{head}<div class="gallery">{"".join(figures)}</div>'


def _fidelity(told: dict[str, Any]) -> str:
    lines = [
        [
            part,
            error["count"],
            f"{error['late_p50_ms']:.2f}",
            f"{error['late_p99_ms']:.2f}",
            f"{error['bound_ms']:.0f}",
            f"{error['relative_p50']:.2%}",
            "kept" if error["kept"] else "not kept",
        ]
        for part, error in told["fidelity"].items()
    ]
    head = [
        "part",
        "commanded",
        "late p50 (ms)",
        "late p99 (ms)",
        "bound (ms)",
        "relative, median",
        "",
    ]
    return "<h2>The testbed's own error</h2>" + _table(head, lines)


def _modes(scenario: Scenario, told: dict[str, Any]) -> str:
    modes = scenario.modes
    model = scenario.model
    real = f"real: {model.path}, {model.steps} steps, split at {model.split_step}, guidance {model.guidance:g}"
    denoising = (
        f"{real}, {model.scheduler}, {model.dtype}"
        if modes.denoiser == "real"
        else "paced: nothing computed"
    )
    cpu = told["run"]["cpu_share"]
    on_air = scenario.channel.frame_bytes or "their own"
    lines = [
        ["denoising", denoising],
        ["time", modes.clock if modes.time_scale == 1 else f"{modes.clock} x {modes.time_scale:g}"],
        ["wire", f"{modes.wire}; radio link emulated by (6), {on_air} bytes a frame on the air"],
        ["devices", "computed by their hosts, held to each device's own pace (emulated)"],
        ["energy", "modelled: the scenario's watts times the device's time"],
        ["edge step", f"{1e3 * told['run']['step_s']:.1f} ms a request alone"],
        ["this machine", "-" if cpu is None else f"{cpu:.0%} busy while users asked"],
        ["versions", ", ".join(f"{k} {v}" for k, v in told["run"]["versions"].items())],
    ]
    return "<h2>What was real, emulated and modelled</h2>" + _table(["", ""], lines)


def _failures(rows: Iterable[dict[str, Any]]) -> str:
    counts: dict[tuple[str, str], int] = {}
    for row in rows:
        if row["result"] != "done":
            counts[row["result"], row["error"] or ""] = (
                counts.get((row["result"], row["error"] or ""), 0) + 1
            )
    if not counts:
        return ""
    return "<h2>Not finished</h2>" + _table(
        ["result", "why", "requests"], [[*key, n] for key, n in sorted(counts.items())]
    )


def _table(head: list[str], lines: list[list[Any]]) -> str:
    def row(cells: list[Any], tag: str) -> str:
        return (
            "<tr>" + "".join(f"<{tag}>{html.escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"
        )

    return f"<table>{row(head, 'th')}{''.join(row(line, 'td') for line in lines)}</table>"
