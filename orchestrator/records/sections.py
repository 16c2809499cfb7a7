"""The sections of report.html, each as HTML text; whatever comes from a run's folder is escaped."""

from __future__ import annotations

import base64
import html
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from midstep.scenario import Scenario
from orchestrator.records import plots
from orchestrator.records.metrics import tail

__all__ = [
    "edges",
    "events",
    "failures",
    "fidelity",
    "gallery",
    "heading",
    "modes",
    "plotted",
    "tiles",
    "verdict",
]

Rows = Sequence[dict[str, Any]]
Metrics = Mapping[str, Mapping[str, Any]]

GALLERY_ROWS = 24
TILES = (
    ("requests", "pictures finished", "{:.0f}"),
    ("response_per_request_ms", "response, mean (ms)", "{:,.0f}"),
    ("p95_s", "response, p95 (s)", "{:.2f}"),
    ("hit_ratio", "hit ratio", "{:.1%}"),
    ("edge_saved_ms", "edge time saved a request (ms)", "{:.1f}"),
    ("psnr_db", "PSNR against no reuse (dB)", "{:.1f}"),
    ("rejected", "rejected", "{:.0f}"),
    ("failed", "failed", "{:.0f}"),
    ("unfinished", "unfinished", "{:.0f}"),
)
NONE = "–"


def heading(scenario: Scenario) -> str:
    """The scenario and its parts, as plain text."""
    return f"{scenario.name}: {scenario.policy.name}, {scenario.users} users"


def verdict(summary: Mapping[str, Any]) -> str:
    """VALID or INVALID, and why."""
    kind = "good" if summary["verdict"] == "VALID" else "bad"
    return f'<p class="verdict {kind}">{html.escape(summary["verdict"])}</p>'


def tiles(metrics: Metrics) -> str:
    """The run's main figures, with their intervals within the run where they have one."""
    cells = []
    for name, label, form in TILES:
        value = _mean(metrics, name)
        if name == "p95_s" and value is None and "requests" in metrics:
            share, value = tail({"p95_s": {"mean": None}, **metrics})
            label = f"response, {share} (s)"
        half = metrics.get(name, {}).get("ci95_batch_means")
        interval = "" if half is None else f"<i>± {form.format(half)}</i>"
        cells.append(f"<div><b>{_text(value, form)}</b>{interval}<span>{label}</span></div>")
    return f'<div class="tiles">{"".join(cells)}</div>'


def edges(summary: Mapping[str, Any]) -> str:
    """A line for each edge, where there are several."""
    if "edges" not in summary:
        return ""
    lines = [
        [name, *(_text(_mean(metrics, metric), form) for metric, _, form in TILES)]
        for name, metrics in summary["edges"].items()
    ]
    return "<h2>Edges</h2>" + _table(["edge", *(label for _, label, _ in TILES)], lines)


def plotted(done: Rows, slots: Rows, slot_seconds: float) -> str:
    """The plots of finished requests and slots."""
    if not done or not slots:
        return ""
    figures = [
        plots.stages(done),
        plots.responses(done),
        plots.over_time(slots, slot_seconds),
        plots.users(slots, slot_seconds),
        plots.backlog(slots, slot_seconds),
        plots.gap(slots, slot_seconds),
        plots.learning(slots, slot_seconds),
    ]
    shown = "".join(f"<figure>{svg}</figure>" for svg in figures if svg)
    return f'<div class="plots">{shown}</div>'


def events(summary: Mapping[str, Any]) -> str:
    """The run's events, in order."""
    rows = summary["run"]["events"]
    if not rows:
        return ""
    items = "".join(f"<li>{row['at_s']:.1f} s: {html.escape(row['text'])}</li>" for row in rows)
    return f"<h2>What happened</h2><ul>{items}</ul>"


def gallery(folder: Path, rows: Iterable[dict[str, Any]]) -> str:
    """Compared pictures, reuse first, each with the frame and the same without reuse."""
    compared = [row for row in rows if row["psnr_db"] is not None]
    compared.sort(key=lambda row: (row["reuse"] != "exact", row["request_id"]))
    figures = [_figure(folder / "images", row) for row in compared[:GALLERY_ROWS]]
    if not any(figures):
        return ""
    head = (
        "<h2>Pictures</h2><p>The frame as the device received it, the picture it made of it, and "
        "the same picture "
        "without reuse (the user's own prompt from the first step on, same seed). Steps: edge + "
        "saved + device.</p>"
    )
    return f'{head}<div class="gallery">{"".join(figures)}</div>'


def fidelity(summary: Mapping[str, Any]) -> str:
    """The emulator's own error, part by part."""
    lines = [
        [
            part,
            error["count"],
            f"{error['late_p50_ms']:.2f}",
            f"{error['late_p99_ms']:.2f}",
            f"{error['bound_ms']:.0f}",
            f"{error['relative_p50']:.2%}",
            "kept" if error["within_bound"] else "not kept",
        ]
        for part, error in summary["fidelity"].items()
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


def modes(scenario: Scenario, summary: Mapping[str, Any]) -> str:
    """The parts that were real, emulated and modelled."""
    mode = scenario.modes
    model = scenario.model
    denoising = (
        f"real: {model.path}, {model.steps} steps, split at {model.split_step}, guidance "
        f"{model.guidance:g}, {model.scheduler}, {model.dtype}"
        if mode.denoiser == "real"
        else "paced: nothing computed"
    )
    run = summary["run"]
    on_air = scenario.channel.frame_bytes or "their own"
    step_ms = None if run["step_s"] is None else 1e3 * run["step_s"]
    lines = [
        ["denoising", denoising],
        ["time", mode.clock if mode.time_scale == 1 else f"{mode.clock} x {mode.time_scale:g}"],
        ["wire", f"{mode.wire}; radio link emulated by (6), {on_air} bytes a frame on the air"],
        ["devices", "computed by their hosts, held to each device's own pace (emulated)"],
        ["arrivals", _arrivals(scenario)],
        ["measured", f"what was due from {scenario.warmup_s:g} s on; all of it is in the tables"],
        ["energy", "modelled: the scenario's watts times the device's time"],
        ["edge step", _text(step_ms, "{:.1f} ms a request alone")],
        ["this machine", _text(run["cpu_share"], "{:.0%} busy while users asked")],
        ["versions", ", ".join(f"{name} {number}" for name, number in run["versions"].items())],
    ]
    return "<h2>What was real, emulated and modelled</h2>" + _table(["", ""], lines)


def _arrivals(scenario: Scenario) -> str:
    """The law of arrivals, its settings, and from when on a response counts."""
    arrivals = scenario.workload.arrivals
    settings = getattr(arrivals, arrivals.law).model_dump()
    shown = ", ".join(f"{name} {value}" for name, value in settings.items())
    counts = "sending" if arrivals.waits else "when it was due"
    return f"{arrivals.law} ({shown}); a response counts from {counts}"


def failures(rows: Iterable[dict[str, Any]]) -> str:
    """How many requests were not finished, by result and reason."""
    counts = Counter((row["result"], row["error"] or "") for row in rows if row["result"] != "done")
    if not counts:
        return ""
    lines = [[*key, count] for key, count in sorted(counts.items())]
    return "<h2>Not finished</h2>" + _table(["result", "why", "requests"], lines)


def _figure(images: Path, row: dict[str, Any]) -> str:
    """Frame, picture and reference of one request; nothing where one of them is not there."""
    name = str(row["request_id"])
    if Path(name).name != name:  # a stranger's record may point anywhere
        return ""
    paths = [images / f"{name}{kind}.png" for kind in ("-frame", "", "-reference")]
    if not all(path.is_file() for path in paths):
        return ""
    encoded = [base64.b64encode(path.read_bytes()).decode() for path in paths]
    pictures = "".join(f'<img src="data:image/png;base64,{data}">' for data in encoded)
    steps = f"{row['edge_steps']}+{row['saved_steps']}+{row['device_steps']}"
    return (
        f"<figure>{pictures}<figcaption><b>{html.escape(row['prompt'])}</b><br>"
        f"edge: {html.escape(row['edge_prompt'])}<br>"
        f"{html.escape(str(row['reuse']))}, steps {html.escape(steps)}, {row['psnr_db']:.1f} dB"
        f"</figcaption></figure>"
    )


def _mean(metrics: Metrics, name: str) -> float | None:
    """None, too, where an older version's summary does not have the metric."""
    mean: float | None = metrics.get(name, {}).get("mean")
    return mean


def _text(value: float | None, form: str) -> str:
    return NONE if value is None else form.format(value)


def _table(head: list[str], lines: list[list[Any]]) -> str:
    def row(cells: list[Any], tag: str) -> str:
        filled = "".join(f"<{tag}>{html.escape(str(cell))}</{tag}>" for cell in cells)
        return f"<tr>{filled}</tr>"

    return f"<table>{row(head, 'th')}{''.join(row(line, 'td') for line in lines)}</table>"
