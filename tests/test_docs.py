"""What the documents promise exists: commands parse, files are there, names are defined."""

import re
import shlex
import textwrap
from pathlib import Path

import pytest

from orchestrator.cli import parser

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMAND = re.compile(
    r"(?:^|`|\$ )(?:\.venv/bin/)?midstep "
    r"((?:run|report|validate|calibrate|policies|scenarios|simulate|reproduce|replay|scale|top|doctor|certs)\b[^`\n|#]*)",
    re.M,
)


def commands() -> list[str]:
    return [match.strip() for page in PAGES for match in COMMAND.findall(page.read_text())]


@pytest.mark.parametrize("command", commands())
def test_a_documented_command_is_one(command: str) -> None:
    if "..." in command or "[" in command:
        pytest.skip("a synopsis")
    if " " not in command:
        # a name in a sentence: its arguments are told elsewhere
        assert command in parser().format_help()
        return
    parser().parse_args(shlex.split(command))


def test_there_are_documented_commands() -> None:
    assert len(commands()) > 5


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    named = re.findall(
        r"`((?:midstep|edge_node|user_agent|orchestrator|tests|docs|benchmarks|deploy|training)/[\w./-]*\w)`",
        page.read_text(),
    )
    linked = [path for path in re.findall(r"\]\(([^)#]+)\)", page.read_text()) if "://" not in path]
    missing = [name for name in named if not (ROOT / name).exists()]
    missing += [path for path in linked if not (page.parent / path).exists()]
    assert not missing


def test_no_page_names_a_machine_of_ours() -> None:
    for page in PAGES:
        assert not re.search(r"(?<![\w.])/(?:home|root|work|Users)/", page.read_text()), page.name


@pytest.mark.parametrize(
    "dotted",
    sorted(
        set(
            re.findall(
                r"`((?:midstep|orchestrator|user_agent)(?:\.\w+)+)`",
                (ROOT / "docs" / "model.md").read_text(),
            )
        )
    ),
)
def test_the_models_names_are_defined(dotted: str) -> None:
    import importlib

    parts = dotted.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for name in parts[cut:]:
            found = getattr(found, name)
        return
    raise AssertionError(f"{dotted} is nowhere")


def test_the_policy_of_policies_md_works_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestrator import policies
    from orchestrator.evaluation.replay import Trace, play
    from orchestrator.policies import base

    page = (ROOT / "docs" / "policies.md").read_text()
    block = page[page.index('    """Most recently used') :].split("\n`midstep run")[0]
    # it is no policy of ours beyond this test
    monkeypatch.setattr(base, "_REGISTRY", dict(base._REGISTRY))
    exec(textwrap.dedent(block), {"__name__": "mru"})
    loop = Trace("loop", tuple("abcdabcdabcd"), 0, 4)
    assert (
        play(policies.find("mru")(), loop, 3).hits > play(policies.find("lru")(), loop, 3).hits == 0
    )
