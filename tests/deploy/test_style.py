"""The check of style reports each kind of fault, and nothing where the style is right."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from deploy import check_style
from deploy.check_style import faults

STATEMENTS = "one statement a line: a tuple assignment swaps or unpacks a call"
FIELDS = "\n".join(f"    a{i}: int" for i in range(8))


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
        ("import math as given", "the name given does not say what the value is"),
        ("try: ...\nexcept OSError as told: ...", "the name told does not say what the value is"),
        ("match 1:\n    case taken: ...", "the name taken does not say what the value is"),
        ("match []:\n    case [*kept]: ...", "the name kept does not say what the value is"),
        ("match {}:\n    case {**there}: ...", "the name there does not say what the value is"),
        ("if made := 1: ...", "the name made does not say what the value is"),
        ("a, b = 1, 2", STATEMENTS),
        ("[a, b] = [1, 2]", STATEMENTS),
        ("c = a, b = 1, 2", STATEMENTS),
        ("i, order[i] = 1, 2", STATEMENTS),
        ("self.a, self.b = len(x), len(y)", STATEMENTS),
        ("self.a, self.b = 1, self.c", STATEMENTS),
        (
            "def _f(a, b, c, d, e, f, g, h): pass",
            "_f has 8 positional parameters: more than 7 want a record",
        ),
        (
            "@dataclass(frozen=True)\nclass _R:\n" + FIELDS,
            "_R has 8 fields: records are keyword-only",
        ),
        (
            "@dataclass(kw_only=False)\nclass _R:\n" + FIELDS,
            "_R has 8 fields: records are keyword-only",
        ),
        ("def public(): pass", "a public module has an __all__"),
        ("def _f():\n    return (1,\n      2)  # fmt: skip", "fmt: skip is for tables and kernels"),
        ("def _f():\n    x('\"')  # fmt: skip", "fmt: skip is for tables and kernels"),
        ("def _f():\n    # fmt: off\n    return 1", "fmt: off is for tables and kernels"),
    ],
)
def test_a_fault_of_style_is_found(text: str, fault: str) -> None:
    assert look(text) == [fault]


@pytest.mark.parametrize(
    "text",
    [
        "a = 1\nb = 2\na, b = b, a",
        "a, b = b, a + b",
        "self.a, self.b = 1, self.next()",
        "self.a, self.b = self.b, self.a",
        "first, *rest = 1, *others",
        "pair = 1, 2",
        "first, second = divmod(7, 2)",
        "i = 0\norder = [1, 2]\norder[i], order[1] = order[1], order[i]",
        "__all__ = ['public']\ndef public(a, b, *, c, d, e, f, g, h, i): pass",
        "TABLE = (1,\n  2)  # fmt: skip",
        "class _Room:\n    TABLE = (1,\n      2)  # fmt: skip",
        "@njit(cache=True)\ndef _kernel(a,\n  b):  # fmt: skip\n    pass",
        "def _f():\n    return '# fmt: skip'",
        "@dataclass(kw_only=True)\nclass _R:\n" + FIELDS,
        "@dataclass\nclass _R:\n    _: KW_ONLY\n" + FIELDS,
        "@dataclass\nclass _R:\n" + FIELDS.replace("a0: int", "a0: int = field(init=False)"),
        "@dataclass\nclass _R:\n" + FIELDS.replace("a0: int", "a0: ClassVar[int] = 1"),
        "class _Slots(NamedTuple):\n" + FIELDS,
        "__all__: list[str] = ['public']\ndef public(): pass",
        "def _helper(): pass",
    ],
)
def test_what_is_right_is_left_alone(text: str) -> None:
    assert look(text) == []


def test_only_the_program_says_what_is_public() -> None:
    assert look("def public(): pass", "training/room.py") == []


def test_a_fault_names_its_file_and_line() -> None:
    (line,) = faults(Path("training/room.py"), "x = 1\nmade = 2\n")
    assert line == "training/room.py:2: the name made does not say what the value is"


def test_generated_stubs_are_not_looked_at_and_all_else_is() -> None:
    sources = set(check_style._sources())
    assert Path("midstep/clock.py") in sources
    assert Path("deploy/check_style.py") in sources
    assert not {source for source in sources if source.parent == Path("midstep/v1")}


def test_the_command_counts_the_faults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    room = tmp_path / "v1" / "training" / "room.py"
    room.parent.mkdir(parents=True)
    room.write_text("made = 1\n")
    monkeypatch.setattr(check_style, "ROOT", tmp_path / "v1")
    assert check_style.main() == 1
    assert capsys.readouterr().out.splitlines()[-1] == "style: 1 faults"
    room.write_text("value = 1\n")
    assert check_style.main() == 0
