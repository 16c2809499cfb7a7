"""The check of style finds each thing that it is there for, and nothing in what is right."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from deploy.check_style import faults


def look(text: str, path: str = "orchestrator/live/room.py") -> list[str]:
    return [line.partition(": ")[2] for line in faults(Path(path), textwrap.dedent(text))]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("made = 1", "the name made does not say what the value is"),
        ("for given in (): pass", "the name given does not say what the value is"),
        ("def _f(told): pass", "the name told does not say what the value is"),
        ("def _seen(): pass", "the name _seen does not say what the value is"),
        ("self = object()\nself.kept = 1", "the name kept does not say what the value is"),
        ("a, b = 1, 2", "one statement a line: a tuple assignment swaps or unpacks a call"),
        (
            "def _f(a, b, c, d, e, f, g, h): pass",
            "_f has 8 positional parameters: more than 7 want a record",
        ),
        (
            "@dataclass(frozen=True)\nclass _R:\n" + "\n".join(f"    a{i}: int" for i in range(8)),
            "_R has 8 fields: records are keyword-only",
        ),
        ("def public(): pass", "a public module has an __all__"),
        ("def _f():\n    return (1,\n      2)  # fmt: skip", "fmt: skip is for tables and kernels"),
    ],
)
def test_a_fault_of_style_is_found(text: str, fault: str) -> None:
    assert look(text) == [fault]


@pytest.mark.parametrize(
    "text",
    [
        "a, b = 1, 2\na, b = b, a".replace("a, b = 1, 2\n", "a = 1\nb = 2\n"),
        "first, second = divmod(7, 2)",
        "i = 0\norder = [1, 2]\norder[i], order[1] = order[1], order[i]",
        "__all__ = ['public']\ndef public(a, b, *, c, d, e, f, g, h, i): pass",
        "TABLE = (1,\n  2)  # fmt: skip",
        "@njit(cache=True)\ndef _kernel(a,\n  b):  # fmt: skip\n    pass",
        "@dataclass(kw_only=True)\nclass _R:\n" + "\n".join(f"    a{i}: int" for i in range(8)),
        "def _helper(): pass",
    ],
)
def test_what_is_right_is_left_alone(text: str) -> None:
    assert look(text) == []


def test_only_the_program_says_what_is_public() -> None:
    assert look("def public(): pass", "training/room.py") == []
