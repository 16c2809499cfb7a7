"""What the report's plots share: axes with a title, a legend below them, and SVG that is the same,
byte for byte, for the same figures."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = [
    "BLUE",
    "GREEN",
    "GREY",
    "RED",
    "SAND",
    "TEAL",
    "VIOLET",
    "Plot",
    "finish",
    "open_axes",
    "right",
    "svg_of",
]

RED = "#e07a5f"
BLUE = "#3d7ea6"
GREEN = "#81b29a"
SAND = "#f2cc8f"
TEAL = "#2a7f7a"
VIOLET = "#6d597a"
GREY = "#9aa5b1"

WIDTH_IN = 5.6
AXES_IN = 2.05  # their height
LEFT_IN = 0.7
RIGHT_IN = 0.22
RIGHT_SCALE_IN = 0.65  # where a second scale stands there
TOP_IN = 0.32  # the title's
BOTTOM_IN = 0.48  # the numbers' and the label's
LINE_IN = 0.18  # of a legend
PER_LINE = 5  # entries of a legend, at most
HANDLE_IN = 0.45  # of an entry, beside its text
LETTER_IN = 0.06
# the salt makes the ids of clip paths the same in every process
SETTINGS = {"svg.hashsalt": "midstep", "font.size": 9, "axes.titlesize": 10}


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A plot: `name` is its file's, without folder and ending; `svg` stands in a page or in a file
    alike."""

    name: str
    svg: str


def open_axes(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    """A figure with one pair of axes."""
    with matplotlib.rc_context(SETTINGS):
        figure = Figure()
        axes = figure.subplots()
        axes.set_title(title, loc="left")
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def right(axes: Axes, y: str, colour: str) -> Axes:
    """A second scale, at the right edge."""
    with matplotlib.rc_context(SETTINGS):
        other = axes.twinx()
        other.set_ylabel(y, color=colour)
        other.spines["top"].set_visible(False)
    return other


def finish(name: str, figure: Figure, axes_in: float = AXES_IN, left_in: float = LEFT_IN) -> Plot:
    """The plot of a figure, with a legend of all that has a label below its axes, where it lies
    over nothing.

    The margins are the same in all plots, which is sooner done than fitting each to its numbers,
    and lets plots of equal time scales stand below each other.
    """
    shown = [pair for axes in figure.axes for pair in zip(*_labelled(axes), strict=True)]
    columns = _columns([label for _, label in shown])
    lines = -(-len(shown) // columns)
    bottom_in = BOTTOM_IN + LINE_IN * lines
    height_in = TOP_IN + axes_in + bottom_in
    right_in = RIGHT_IN if len(figure.axes) == 1 else RIGHT_SCALE_IN
    figure.set_size_inches(WIDTH_IN, height_in)
    figure.subplots_adjust(
        left=left_in / WIDTH_IN,
        right=1 - right_in / WIDTH_IN,
        bottom=bottom_in / height_in,
        top=1 - TOP_IN / height_in,
    )
    with matplotlib.rc_context(SETTINGS):
        if shown:
            handles, labels = zip(*shown, strict=True)
            figure.legend(
                handles,
                labels,
                loc="lower center",
                ncols=columns,
                fontsize=8,
                frameon=False,
                borderaxespad=0.1,
                labelspacing=0.3,
            )
    return Plot(name=name, svg=svg_of(figure))


def svg_of(figure: Figure) -> str:
    """A figure as SVG text, the same for the same figure."""
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": SETTINGS["svg.hashsalt"]}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def _columns(labels: Sequence[str]) -> int:
    """How many entries of a legend stand beside each other."""
    entry_in = HANDLE_IN + LETTER_IN * max(map(len, labels), default=0)
    return max(1, min(len(labels), PER_LINE, int(WIDTH_IN / entry_in)))


def _labelled(axes: Axes) -> tuple[list[object], list[str]]:
    handles, labels = axes.get_legend_handles_labels()
    return list(handles), list(labels)
