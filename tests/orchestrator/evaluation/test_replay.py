"""`midstep replay`: a trace's keys in, a table and summary.json out; the quick caches equal the
plain one."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from midstep.errors import OptionError, PolicyFailed
from midstep.wire.messages_control import Access, CacheUpdate
from orchestrator import policies
from orchestrator.cli import main
from orchestrator.decision.problem import Problem
from orchestrator.evaluation import replay
from orchestrator.evaluation.replay import (
    ByAccess,
    ByDriver,
    ByScore,
    Trace,
    drivers,
    open_cache,
    read_trace,
)
from orchestrator.policies import Kind, LearnerStats, Policy, SlotRecord
from orchestrator.policies.kinds.eviction_rule import Rule
from orchestrator.policies.kinds.score_planner import Floats, Ids, ScorePlanner
from orchestrator.policies.lfu_decay import LfuDecay
from orchestrator.policies.lru import Lru

TEXTBOOK = "abcdabeabcde"  # three places: LRU 2 hits, FIFO 3


def trace(keys: Iterable[str]) -> Trace:
    listed = tuple(keys)
    return Trace("t", listed, 0, len(set(listed)))


def drawn(items: int = 60, rows: int = 1500, seed: int = 9) -> Trace:
    weights = [1 / (i + 1) for i in range(items)]
    return trace(map(str, random.Random(seed).choices(range(items), weights, k=rows)))


def file(tmp_path: Path, text: str | bytes, name: str = "keys.txt") -> str:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


def ran(tmp_path: Path, *options: str) -> dict[str, Any]:
    out = tmp_path / "out"
    assert main(["replay", *options, "--out", str(out)]) == 0
    summary: dict[str, Any] = json.loads((out / "summary.json").read_text())
    return summary


def test_the_command_counts_what_the_textbook_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = file(tmp_path, "\n".join(TEXTBOOK))
    summary = ran(tmp_path, path, "--capacity", "3", "--policies", "lru,fifo,none")
    assert {name: metrics["hits"]["mean"] for name, metrics in summary["policies"].items()} == {
        "lru": 2,
        "fifo": 3,
        "none": 0,
    }
    assert summary["policies"]["fifo"]["hit_ratio"] == {"mean": 0.25, "ci95": None}
    run = summary["run"]
    assert (run["rows"], run["distinct"], run["skipped"], run["capacities"]) == (12, 5, 0, [3])
    assert run["versions"]["midstep"] and run["preset"] == "replay" and run["seeds"] == [0]
    captured = capsys.readouterr()
    lines = [line.split() for line in captured.out.splitlines()]
    assert ["fifo", "3", "3", "25.00%"] in [line[:4] for line in lines]
    assert captured.err == ""


def test_several_capacities_are_named_in_the_keys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = file(tmp_path, "\n".join(TEXTBOOK))
    summary = ran(tmp_path, path, "--capacity", "3, 4,3", "--policies", "fifo,fifo")
    # Belady's
    assert {name: m["hits"]["mean"] for name, m in summary["policies"].items()} == {
        "fifo@3": 3,
        "fifo@4": 2,
    }
    assert capsys.readouterr().out.count("fifo") == 2  # what is named twice is played once


def test_by_default_the_folder_is_named_after_the_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = file(tmp_path, "a\nb\na\n", "some keys.txt")
    assert main(["replay", path, "--capacity", "2"]) == 0
    assert main(["replay", path, "--capacity", "2"]) == 0  # within the same second, perhaps
    folders = sorted((tmp_path / "runs").iterdir())
    assert len(folders) == 2 and all(f.name.startswith("replay-some keys-2") for f in folders)
    summary = json.loads((folders[0] / "summary.json").read_text())
    assert {"fifo", "lru", "lfu", "sieve", "s3-fifo", "lfu-decay", "clairvoyant"} == set(
        summary["policies"]
    )


def test_a_row_is_its_line_to_the_letter_and_empty_ones_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = file(tmp_path, "a\r\n\r\na \r\n \u2028b\x0b\r\n   \r\na\r\n\r\n")
    assert read_trace(path) == Trace("keys", ("a", "a ", " \u2028b\x0b", "a"), 3, 3)
    assert ran(tmp_path, path, "--capacity", "5", "--policies", "lru")["run"]["skipped"] == 3
    assert "4 rows, 3 distinct keys; 3 empty lines skipped" in capsys.readouterr().out
    assert read_trace(file(tmp_path, "\ufeffa\nb")).keys == ("a", "b")


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (None, [], "keys.txt: there is no such file"),
        (b"a\n\xff\n", [], "keys.txt: is no UTF-8 text: invalid start byte at byte 2"),
        ("", [], "keys.txt holds no row"),
        ("\n  \n", [], "keys.txt holds no row"),
        ("a\n", ["--capacity", "0"], "--capacity 0: give numbers above 0"),
        ("a\n", ["--capacity", "3,-1"], "--capacity 3,-1: give numbers above 0"),
        ("a\n", ["--capacity", "many"], "--capacity many: give numbers above 0"),
        (
            "a\n",
            ["--policies", "lru,lur"],
            "--policies: no policy 'lur'; did you mean lru? There is",
        ),
        ("a\n", ["--policies", "a-closed-policy"], "a-closed-policy needs a closed catalogue"),
        (
            "a\n",
            ["--policies", "a-reactive-policy"],
            "a-reactive-policy cannot play a list of keys, which tells no prices",
        ),
        ("a\n", ["--out", "keys.txt"], "the folder cannot be made"),
        ("a\n", ["--out", "used"], "results are in there already"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    content: str | bytes | None,
    options: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    closed = type("Closed", (Policy,), {"name": "a-closed-policy", "needs": frozenset({"closed"})})
    reactive = type(
        "Reactive", (Policy,), {"name": "a-reactive-policy", "modes": frozenset({"reactive"})}
    )
    for cls in (closed, reactive):
        monkeypatch.setitem(policies.base._REGISTRY, cls.name, cls)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "summary.json").write_text("{}")
    if content is not None:
        file(tmp_path, content)
    assert main(["replay", "keys.txt", "--capacity", "3", "--policies", "lru", *options]) == 2
    captured = capsys.readouterr()
    assert (
        len(captured.err.splitlines()) == 1
        and captured.err.startswith("midstep: ")
        and message in captured.err
    )
    assert captured.out == ""


def test_a_capacity_below_one_is_told_to_callers_too() -> None:
    with pytest.raises(OptionError, match="--capacity 0"):
        replay.play(policies.find("lru")(), trace("ab"), 0)


# --- the quick ways lead where the plain one does
# --------------------------------------------------------------------


class Ties(ScorePlanner):
    """Few different scores, so that ties decide; it notes what it is asked."""

    name = "ties"
    learns = True
    modulus = 3

    def reset(self, problem: Problem, seed: int) -> None:
        super().reset(problem, seed)
        self.count = np.zeros(1000)
        self.words: list[str] = []
        self.slots: list[int] = []
        self.learned = 0

    def met(self, item: int, prompt: str) -> None:
        assert item == len(self.words)
        self.words.append(prompt)

    def observe(self, ids: Ids, counts: Ids, slot: int) -> None:
        self.count[ids] += counts
        self.slots.append(slot)

    def scores(self, ids: Ids, slot: int) -> Floats:
        return 1 + self.count[ids] % self.modulus

    def learn(self) -> LearnerStats | None:
        self.learned += 1
        return None


def both(policy: type[ScorePlanner], keys: Trace, capacity: int) -> tuple[list[int], list[int]]:
    """Hits row by row, the quick way and the plain one."""
    hits = []
    for plain in (False, True):
        fresh = policy()
        fresh.reset(replay.problem(keys, capacity), 0)
        cache = ByDriver(fresh, capacity) if plain else open_cache(fresh, capacity, keys.distinct)
        assert isinstance(cache, ByDriver if plain else ByScore)
        hits.append([cache.ask([key]) for key in keys.keys])
    return hits[0], hits[1]


@pytest.mark.parametrize("policy", [LfuDecay, Ties])
@pytest.mark.parametrize("capacity", [1, 2, 7, 30, 59, 500])
def test_planners_by_score_are_played_as_the_emulation_would(
    policy: type[ScorePlanner], capacity: int
) -> None:
    quick, plain = both(policy, drawn(), capacity)
    assert quick == plain
    assert sum(quick) > 0


def test_a_planner_is_told_of_every_row_and_may_learn() -> None:
    ties = Ties()
    keys = trace("abacabad")
    score = replay.play(ties, keys, 2)
    assert ties.slots == list(range(8)) and ties.learned == 8 and ties.words == list("abcd")
    assert score.rows == 8 and score.hit_ratio == score.hits / 8


def test_a_newcomer_that_scores_lowest_stays_out() -> None:
    class Refuses(Ties):
        modulus = 1000  # the count itself

    # c ties with b, which is held and stays; d is below both; c ties again, and beats both when it
    # is asked once more
    quick, plain = both(Refuses, trace("aabcbdccc"), 2)
    assert quick == plain == [0, 1, 0, 0, 1, 0, 0, 0, 1]


def test_who_plans_otherwise_is_played_the_plain_way() -> None:
    class Own(Ties):
        kind = Kind.PLANNER

        def plan(self, slot: SlotRecord) -> CacheUpdate:
            assert slot.slot == int(slot.accesses[0].at_s)
            return CacheUpdate(
                tuple(
                    (h.prompt_key, h.step)
                    for h in slot.available.staging
                    if len(slot.available.store) < 2
                )
            )

    own = Own()
    own.reset(replay.problem(trace("abcabc"), 2), 0)
    cache = open_cache(own, 2, 3)
    assert isinstance(cache, ByDriver)
    assert cache.ask("abcabc") == 2


@pytest.mark.parametrize(
    "name", [n for n in policies.names() if issubclass(policies.find(n), Rule)]
)
def test_rules_are_played_as_the_emulation_would(name: str) -> None:
    keys = drawn()
    hits = []
    for capacity in (1, 20):
        for plain in (False, True):
            rule = policies.find(name)()
            rule.reset(replay.problem(keys, capacity), 0)
            cache = ByDriver(rule, capacity) if plain else open_cache(rule, capacity, keys.distinct)
            assert isinstance(cache, ByDriver if plain else ByAccess)
            hits.append([cache.ask([key]) for key in keys.keys])
    assert hits[0] == hits[1] and hits[2] == hits[3] and sum(hits[2]) > sum(hits[0])


def test_whoever_holds_more_than_fits_is_found_out() -> None:
    class Greedy(Lru):
        def on_access(self, access: Access) -> CacheUpdate:
            return CacheUpdate(((access.prompt_key, access.step), ("not computed", 1)))

    for plain in (False, True):
        greedy = Greedy()
        greedy.reset(replay.problem(trace("abc"), 2), 0)
        cache = ByDriver(greedy, 2) if plain else open_cache(greedy, 2, 3)
        assert cache.ask("ab") == 0  # what was never in staging was not admitted
        with pytest.raises(PolicyFailed, match="holds 3 outputs where 2 fit"):
            cache.ask("c")


def test_the_bar_is_told_of_every_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drivers, "CHUNK", 7)
    done: list[int] = []
    score = replay.play(policies.find("lru")(), drawn(), 20, advance=done.append)
    assert sum(done) == 1500 and max(done) == 7
    monkeypatch.undo()
    assert replay.play(policies.find("lru")(), drawn(), 20).hits == score.hits
