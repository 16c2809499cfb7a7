"""Write docs/scenario.md from midstep/scenario.py; `--check` compares them."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from deploy.generated import paragraphs, settle
from midstep.scenario_keys import Key, Section, sections

ROOT = Path(__file__).parents[1]
HEAD = """\
# The scenario, key by key

Written by `python -m deploy.scenario_page` from `midstep/scenario.py`; change it there.

A scenario is a YAML file, a tree of keys. A key that a file leaves out has the default of this
page. A key that does not exist, or a value that cannot be, is refused in one line before anything
starts. Any value can be changed from the command line, by its path: `--set KEY=VALUE`, where N of a
list counts from 0.

A duration is a number of seconds, or text with a unit: `90s`, `500ms`, `2min`, `1h`. A size is a
number of bytes, or text: `500KB` are 500,000 bytes, `64KiB` are 65,536. All times are scenario
seconds: with `modes.time_scale: 2`, two of them pass in a second of the clock. null is YAML's word
for no value.
"""
COMMANDS = """\
    midstep scenario show                              # the default scenario, with every value
    midstep scenario show my.yaml --comments           # with unit and meaning behind each value
    midstep scenario show --set edges.0.capacity=64KB  # changed
"""


def page() -> str:
    """Build the page of all keys, a table for each tree."""
    parts = list(sections())
    count = Counter(section.path for section in parts)
    text = [_section(section, count[section.path] > 1) for section in parts]
    return f"{paragraphs(HEAD)}\n\n{COMMANDS}\n" + "\n".join(text)


def _section(section: Section, is_one_of_several: bool) -> str:
    rows = [_row(key, section.path) for key in section.keys]
    table = ["| key | values | unit | default | meaning |", "|---|---|---|---|---|", *rows]
    about = paragraphs(section.tree.__doc__ or "")
    return f"## {_title(section, is_one_of_several)}\n\n{about}\n\n" + "\n".join(table) + "\n"


def _title(section: Section, is_one_of_several: bool) -> str:
    if not section.path:
        return "The whole"
    default = section.keys[0].default  # none: what all kinds have
    kind = f" of kind {default}" if is_one_of_several and default is not None else ""
    return f"`{section.path}`{kind}"


def _row(key: Key, path: str) -> str:
    name = f"`{key.name}`"
    if key.trees:
        below = f"{path}.{key.name}{key.part}".lstrip(".")
        name = f"[{name}](#{below.replace('.', '').lower()})"
    default = "must be given" if key.default is None else f"`{key.default}`".replace("``", "")
    cells = (name, key.values, key.unit, default, key.meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    sys.exit(settle({ROOT / "docs" / "scenario.md": page()}, "python -m deploy.scenario_page"))
