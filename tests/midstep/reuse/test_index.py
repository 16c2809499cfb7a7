"""The index of likeness against a plain dictionary, through growths and removals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midstep.errors import CacheCorrupted
from midstep.reuse.index import LikenessIndex
from midstep.reuse.likeness import UNKNOWN, Parts

D = 8


def unit(random: np.random.Generator) -> np.ndarray:
    vector = random.normal(size=D).astype(np.float32)
    return vector / np.linalg.norm(vector)


def holds(index: LikenessIndex, model: dict[tuple[str, int], np.ndarray]) -> None:
    """Check that the index has what the model has, each name at its own vector and step."""
    index.check()
    probe = unit(np.random.default_rng(1))
    beside = index.neighbours(probe, UNKNOWN)
    assert sorted(beside.names) == sorted(model)
    for row, name in enumerate(beside.names):
        assert beside.similarity[row] == pytest.approx(float(model[name] @ probe), abs=1e-5)
        assert beside.step[row] == name[1]
    for own in (*sorted({key for key, _ in model})[:5], ""):
        others = {name: float(vector @ probe) for name, vector in model.items() if name[0] != own}
        best = max(others, key=others.__getitem__, default=("", 0))[0]
        nearest = index.nearest_prompt(probe, UNKNOWN, own)
        assert sorted(nearest.names) == sorted(name for name in others if name[0] == best)
        for name, similarity in zip(nearest.names, nearest.similarity, strict=True):
            assert similarity == pytest.approx(others[name], abs=1e-5)
    for last in (2, 20):
        groups = list(index.groups(0, last))
        steps = [step for group in groups for step in group]
        assert steps == sorted({step for _, step in model if step <= last}, reverse=True)
        for group in groups:
            some = index.neighbours(probe, UNKNOWN, group)
            assert sorted(some.names) == sorted(name for name in model if name[1] in group)
            assert some.step.tolist() == [step for _, step in some.names]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.integers(1, 3)), max_size=60))
def test_names_stay_with_their_vectors(operations: list[tuple[bool, int, int]]) -> None:
    random = np.random.default_rng(0)
    index = LikenessIndex(D)
    model: dict[tuple[str, int], np.ndarray] = {}
    for add, key, step in operations:
        name = f"k{key}", step
        if add:
            model[name] = unit(random)
            index.add(*name, model[name], UNKNOWN)
        else:
            assert index.remove(*name) == (model.pop(name, None) is not None)
    holds(index, model)


def test_nothing_is_lost_or_mixed_up_over_growths() -> None:
    random = np.random.default_rng(2)
    index = LikenessIndex(D)
    model: dict[tuple[str, int], np.ndarray] = {}
    for number in range(1600):  # four growths of a step
        name = f"k{number}", 1 + number % 2
        model[name] = unit(random)
        index.add(*name, model[name], Parts(number % 7, number % 5, 0))
        if number % 3 == 0:
            gone = list(model)[int(random.integers(len(model)))]
            del model[gone]
            assert index.remove(*gone)
    holds(index, model)
    things = {name: int(name[0][1:]) % 7 for name in model}
    beside = index.neighbours(unit(random), Parts(3, 100, 0))
    for name, kind in zip(beside.names, beside.kind, strict=True):
        assert (kind == 0) == (things[name] == 3)


@pytest.mark.parametrize(
    ("vector", "why"),
    [
        (np.ones(D - 1, np.float32), "shape"),
        (np.ones(D, np.float32), "length"),
        (np.full(D, np.nan, np.float32), "length"),
    ],
)
def test_a_vector_that_is_none_is_refused(vector: np.ndarray, why: str) -> None:
    index = LikenessIndex(D)
    with pytest.raises(ValueError, match=why):
        index.add("k", 1, vector, UNKNOWN)
    assert not len(index)


def swap_rows(index: LikenessIndex) -> None:
    names = index._blocks[2].names
    names[0], names[1] = names[1], names[0]


def lose_row(index: LikenessIndex) -> None:
    index._blocks[2].names.pop()


def move_step(index: LikenessIndex) -> None:
    index._blocks[9] = index._blocks.pop(2)


def damage_vector(index: LikenessIndex) -> None:
    index._blocks[2].vectors[2] *= 2


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (swap_rows, "in row 0 and looks for it in 1"),
        (lose_row, "2 rows and 3 names"),
        (move_step, "step 2 of a among those of step 9"),
        (damage_vector, "length 2 for step 2 of c"),
    ],
)
def test_a_damaged_index_says_so_in_one_line(
    damage: Callable[[LikenessIndex], None], why: str
) -> None:
    random = np.random.default_rng(4)
    index = LikenessIndex(D)
    for key in "abc":
        index.add(key, 2, unit(random), UNKNOWN)
    index.check()
    damage(index)
    with pytest.raises(CacheCorrupted, match=why) as error:
        index.check()
    assert "\n" not in str(error.value)


def test_of_prompts_that_are_equally_near_the_first_by_key_is_taken_wherever_it_stands() -> None:
    """Cosines of equal vectors differ in the last bit, by the row and by the step's matrix."""
    random = np.random.default_rng(3)
    probe = unit(random)
    for first in ("a", "b"):
        index = LikenessIndex(D)
        vectors = {first: probe * np.float32(1 - 3e-7), "c": probe * np.float32(1 + 3e-7)}
        for number in range(40):
            index.add(f"x{number}", 1 + number % 3, unit(random), UNKNOWN)
        for key, vector in vectors.items():
            index.add(key, 2 if key == "c" else 3, vector, UNKNOWN)
        assert list(index.nearest_prompt(probe, UNKNOWN, "")[0]) == [(first, 3)]
