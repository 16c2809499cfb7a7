"""Documents and comments name what exists: commands, files, modules."""

import argparse
import importlib
import re
import shlex
import textwrap
from pathlib import Path

import pytest

from orchestrator.cli import parser

ROOT = Path(__file__).parents[1]
PACKAGES = ("midstep", "edge_node", "user_agent", "orchestrator")
FOLDERS = (*PACKAGES, "tests", "docs", "benchmarks", "deploy", "training", "examples")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def names_of_commands() -> list[str]:
    (choice,) = (
        action for action in parser()._actions if isinstance(action, argparse._SubParsersAction)
    )
    return [*choice.choices]


COMMAND = re.compile(
    rf"(?:^|`|\$ )(?:\.venv/bin/)?midstep ((?:{'|'.join(names_of_commands())})\b[^`\n|#]*)", re.M
)


def commands() -> list[str]:
    return [match.strip() for page in PAGES for match in COMMAND.findall(page.read_text())]


@pytest.mark.parametrize("command", commands())
def test_a_documented_command_is_one(command: str) -> None:
    if "..." in command or "[" in command:
        pytest.skip("a synopsis")
    if " " not in command:
        # a name in a sentence, without its arguments
        assert command in parser().format_help()
        return
    parser().parse_args(shlex.split(command))


def test_there_are_documented_commands() -> None:
    assert len(commands()) > 5


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    named = re.findall(
        rf"`((?:{'|'.join(FOLDERS)})/[\w./-]*)`",
        page.read_text(),
    )
    linked = [path for path in re.findall(r"\]\(([^)#]+)\)", page.read_text()) if "://" not in path]
    missing = [name for name in named if not (ROOT / name).exists()]
    missing += [path for path in linked if not (page.parent / path).exists()]
    assert not missing


def sources() -> list[Path]:
    """Modules, deployment files and protocol sources; their comments name other files."""
    apart = {ROOT / "tests" / "deploy" / "test_style.py", *(ROOT / "midstep" / "v1").iterdir()}
    return [
        path
        for folder in (*FOLDERS, "proto")
        for suffix in ("py", "yaml", "yml", "proto")
        for path in sorted((ROOT / folder).rglob(f"*.{suffix}"))
        if path not in apart  # modules of a test's invention, and what protoc writes
    ]


def test_files_that_a_comment_names_are_there() -> None:
    pattern = re.compile(
        rf"(?<![\w./-])((?:{'|'.join(FOLDERS)})/[\w/.-]+\.(?:py|md|json|yaml|yml|css|proto))\b"
    )
    missing = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources()
        for name in pattern.findall(path.read_text())
        if not (ROOT / name).exists()
    ]
    assert not missing


def test_modules_that_the_protocol_names_are_there() -> None:
    comments = [
        line
        for path in (ROOT / "proto").rglob("*.proto")
        for line in path.read_text().splitlines()
        if line.lstrip().startswith("//")
    ]
    names = re.findall(rf"\b(?:{'|'.join(PACKAGES)})(?:\.\w+)+", "\n".join(comments))
    assert names
    assert not [name for name in names if not is_defined(name)]


def test_no_page_names_a_machine_of_ours() -> None:
    for page in PAGES:
        assert not re.search(r"(?<![\w.])/(?:home|root|work|Users)/", page.read_text()), page.name


def is_defined(dotted: str) -> bool:
    """Whether a module is there, or the attribute of one, of that name."""
    parts = dotted.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            value: object = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for name in parts[cut:]:
            if not hasattr(value, name):
                return False
            value = getattr(value, name)
        return True
    return False


def names_of_the_model() -> list[str]:
    page = (ROOT / "docs" / "model.md").read_text()
    return sorted(set(re.findall(rf"`((?:{'|'.join(PACKAGES)})(?:\.\w+)+)`", page)))


@pytest.mark.parametrize("dotted", names_of_the_model())
def test_the_models_names_are_defined(dotted: str) -> None:
    assert is_defined(dotted)


def test_the_model_names_what_computes_it() -> None:
    assert len(names_of_the_model()) > 10


def test_the_policy_of_policies_md_works_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestrator import policies
    from orchestrator.evaluation.replay import Trace, play
    from orchestrator.policies import base

    page = (ROOT / "docs" / "policies.md").read_text()
    block = page[page.index('    """Most recently used') :].split("\n`midstep run")[0]
    # The policy is registered for this test only.
    monkeypatch.setattr(base, "_REGISTRY", dict(base._REGISTRY))
    exec(textwrap.dedent(block), {"__name__": "mru"})
    loop = Trace("loop", tuple("abcdabcdabcd"), 0, 4)
    assert (
        play(policies.find("mru")(), loop, 3).hits > play(policies.find("lru")(), loop, 3).hits == 0
    )
