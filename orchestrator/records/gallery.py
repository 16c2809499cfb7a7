"""The report's gallery: compared pictures, each with its frame and the same without reuse; one that
a device made alone has no frame, one from a start picture has that first."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable
from pathlib import Path
from typing import Any

__all__ = ["gallery"]

GALLERY_ROWS = 24
FIRST = ("exact", "similar", "resumed")


def gallery(folder: Path, rows: Iterable[dict[str, Any]]) -> str:
    """Compared pictures, reuse first, each with the frame and the same without reuse."""
    compared = [row for row in rows if row["psnr_db"] is not None]
    compared.sort(key=lambda row: (_place(row["reuse"]), row["request_id"]))
    figures = [_figure(folder / "images", row) for row in compared[:GALLERY_ROWS]]
    if not any(figures):
        return ""
    head = (
        "<h2>Pictures</h2><p>The frame as the device received it, the picture it made of it, and "
        "the same picture "
        "without reuse (the user's own prompt from the first step on, same seed). A picture that "
        "its device made alone (local) has no frame. Where another prompt's output served, its "
        "prompt and step, and how alike the two prompts are. Where a request began from a start "
        "picture, that is the first. Steps: edge + saved + device.</p>"
    )
    return f'{head}<div class="gallery">{"".join(figures)}</div>'


def _place(reuse: str | None) -> int:
    return FIRST.index(reuse) if reuse in FIRST else len(FIRST)


def _quality(row: dict[str, Any]) -> str:
    """What was measured of a picture."""
    parts = [f"{row['psnr_db']:.1f} dB"]
    if row.get("ssim") is not None:
        parts.append(f"SSIM {row['ssim']:.2f}")
    if row.get("fidelity") is not None:
        parts.append("shows its prompt" if row["fidelity"] == 1 else "does not show its prompt")
    return ", ".join(parts)


def _donor(row: dict[str, Any]) -> str:
    """The line on another prompt's output that served; nothing where there was none."""
    if row.get("donor_key") is None:
        return ""
    prompt = row["donor_prompt"]
    name = f"output {row['donor_key'][:12]}" if prompt is None else prompt
    text = f"from: {name}, step {row['reused_step']}; {row['likeness']}"
    return f"{html.escape(text)}, similarity {row['similarity']:.2f}<br>"


def _negative(row: dict[str, Any]) -> str:
    """The line on the negative prompt; nothing where there was none."""
    negative = row.get("negative")
    return f"not: {html.escape(negative)}<br>" if negative else ""


def _start(row: dict[str, Any]) -> str:
    """The line on the start picture; nothing where there was none."""
    if row.get("start_digest") is None:
        return ""
    return f"from a start picture, strength {row['strength']:g}<br>"


def _figure(images: Path, row: dict[str, Any]) -> str:
    """Frame, picture and reference of one request; nothing where one of them is not there that
    should be."""
    name = str(row["request_id"])
    if Path(name).name != name:  # a stranger's record may point anywhere
        return ""
    kinds = ("", "-reference") if row["reuse"] == "local" else ("-frame", "", "-reference")
    paths = [images / f"{name}{kind}.png" for kind in kinds]
    if not all(path.is_file() for path in paths):
        return ""
    start = images / f"{name}-start.png"
    if row.get("start_digest") is not None and start.is_file():
        paths.insert(0, start)
    encoded = [base64.b64encode(path.read_bytes()).decode() for path in paths]
    pictures = "".join(f'<img src="data:image/png;base64,{data}">' for data in encoded)
    steps = f"{row['edge_steps']}+{row['saved_steps']}+{row['device_steps']}"
    return (
        f"<figure>{pictures}<figcaption><b>{html.escape(row['prompt'])}</b><br>"
        f"edge: {html.escape(row['edge_prompt'])}<br>{_negative(row)}{_start(row)}{_donor(row)}"
        f"{html.escape(str(row['reuse']))}, steps {html.escape(steps)}, {_quality(row)}"
        f"</figcaption></figure>"
    )
