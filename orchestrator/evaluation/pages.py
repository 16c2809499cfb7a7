"""Self-contained HTML pages of comparisons: style, tables, plots."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from pathlib import Path

from orchestrator import records

__all__ = ["code", "figures", "page", "paragraph", "table", "text"]

STYLE = (Path(records.__file__).parent / "report.css").read_text()
MORE = """
td.number, td:first-child { white-space: nowrap; }
table { font-size: .84em; } td, th { padding-right: .7em; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
tr.baseline td { color: #667; } td.clear { font-weight: 600; }
pre { background: #f4f6f8; padding: .6em .8em; overflow-x: auto; font-size: .85em; }
summary { cursor: pointer; margin-top: 1em; } figcaption { padding-left: .4em; }
"""


def page(title: str, parts: Iterable[str]) -> str:
    """The whole page."""
    name = html.escape(title)
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{name}</title>"
        f"<style>{STYLE}{MORE}</style><body><h1>{name}</h1>{''.join(parts)}</body></html>\n"
    )


def text(words: str) -> str:
    """Plain text as HTML."""
    return html.escape(words)


def paragraph(words: str) -> str:
    """A paragraph of plain text."""
    return f"<p>{html.escape(words)}</p>"


def code(lines: str) -> str:
    """Text as it is: commands, a file."""
    return f"<pre>{html.escape(lines)}</pre>"


def table(
    head: Sequence[str],
    lines: Iterable[Sequence[str]],
    bold: Iterable[tuple[int, int]] = (),
    grey: Iterable[int] = (),
    numbers: bool = True,
) -> str:
    """A table of texts, the first column's to the left and all others', which are `numbers`, to the
    right; `bold` cells by (line, column), `grey` lines."""
    clear = set(bold)
    quiet = set(grey)

    def kind(line: int, column: int) -> str:
        names = ["number"] if column and numbers else []
        if (line, column) in clear:
            names.append("clear")
        return f' class="{" ".join(names)}"' if names else ""

    # long keys may be broken behind a _
    names = [html.escape(cell).replace("_", "_<wbr>") for cell in head]
    heads = "".join(f"<th{kind(-1, n)}>{cell}</th>" for n, cell in enumerate(names))
    rows = []
    for number, line in enumerate(lines):
        cells = "".join(
            f"<td{kind(number, n)}>{html.escape(cell)}</td>" for n, cell in enumerate(line)
        )
        rows.append(f"<tr{' class=baseline' if number in quiet else ''}>{cells}</tr>")
    return f"<table><tr>{heads}</tr>{''.join(rows)}</table>"


def figures(plots: Iterable[tuple[str, str]]) -> str:
    """SVG texts with their titles."""
    shown = "".join(
        f"<figure>{svg}<figcaption>{html.escape(title)}</figcaption></figure>"
        for title, svg in plots
    )
    return f'<div class="plots">{shown}</div>'
