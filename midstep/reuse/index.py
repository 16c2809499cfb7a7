"""Index of held outputs by the embeddings of their prompts: a matrix a step, brute force."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from midstep.errors import CacheCorrupted
from midstep.reuse.likeness import FloatArray, IntArray, Parts, kinds

__all__ = ["LIKE", "LikenessIndex", "Name", "Names", "Neighbours"]

Name = tuple[str, int]  # an output's prompt_key and step

LEAST_ROWS = 64
GROUP = 1024  # rows that are worth the first look of their own; the next one takes twice as many
LIKE = 1e-6  # cosines that differ by less are equal: sums of float32 differ by their order
_UNIT = 1e-3  # how far a vector's length may be from 1


class Names(Protocol):
    """Names by row."""

    def __getitem__(self, row: int, /) -> Name:
        """The name of a row."""

    def __iter__(self) -> Iterator[Name]:
        """All of them."""


class _Joined:
    """Names of several blocks, one after another, without a list of all: few of them are read."""

    def __init__(self, parts: Sequence[Sequence[Name]]) -> None:
        self._parts = parts
        self._ends: list[int] = []
        end = 0
        for part in parts:
            end += len(part)
            self._ends.append(end)

    def __getitem__(self, row: int, /) -> Name:
        place = bisect_right(self._ends, row)
        return self._parts[place][row - self._ends[place]]  # from the part's end

    def __iter__(self) -> Iterator[Name]:
        return chain.from_iterable(self._parts)


class Neighbours(NamedTuple):
    """Held outputs beside a prompt, in no order: `names` (prompt_key, step), the cosine of the
    embeddings, the likeness as a number into LIKENESS, the step; n each. A view of the index: good
    until it changes."""

    names: Names
    similarity: FloatArray
    kind: IntArray
    step: IntArray


class _Block:
    """The rows of one step, without holes: the last one moves where one leaves. Twice the rows
    where there is no room."""

    def __init__(self, step: int, dimensions: int) -> None:
        self.names: list[Name] = []
        self.vectors = np.empty((LEAST_ROWS, dimensions), np.float32)
        self.parts = np.empty((3, LEAST_ROWS), np.int32)
        self.steps = np.full(LEAST_ROWS, step, np.int32)

    def append(self, name: Name) -> int:
        """A new row, still without content."""
        row = len(self.names)
        if row == len(self.vectors):
            self.vectors = np.concatenate([self.vectors, np.empty_like(self.vectors)])
            self.parts = np.concatenate([self.parts, np.empty_like(self.parts)], axis=1)
            self.steps = np.concatenate([self.steps, self.steps])
        self.names.append(name)
        return row

    def remove(self, row: int) -> Name:
        """Let a row go; the name that stands there now, or stood there if it was the last."""
        last = len(self.names) - 1
        moved = self.names.pop()
        if row != last:
            self.names[row] = moved
            self.vectors[row] = self.vectors[last]
            self.parts[:, row] = self.parts[:, last]
        return moved


class LikenessIndex:
    """Unit vectors of `dimensions` numbers under (prompt_key, step), float32. Who looks for the
    furthest step looks at the outputs of that step alone, and has only then to look at others."""

    def __init__(self, dimensions: int) -> None:
        if dimensions < 1:
            raise ValueError(f"vectors of {dimensions} numbers are alike in nothing")
        self.dimensions = dimensions
        self._blocks: dict[int, _Block] = {}
        self._rows: dict[Name, int] = {}

    def add(self, key: str, step: int, vector: NDArray[np.floating], parts: Parts) -> None:
        """Put a vector under a name, in place of the one that is there. Raises ValueError for a
        vector that is not of this index's dimensions or not of unit length."""
        if vector.shape != (self.dimensions,):
            raise ValueError(f"a vector of shape {vector.shape} in an index of {self.dimensions}")
        length = float(np.sqrt(np.dot(vector, vector)))
        if not abs(length - 1) <= _UNIT:
            raise ValueError(f"a vector of length {length:.6g}: it has to be 1")
        block = self._blocks.get(step)
        if block is None:
            block = self._blocks[step] = _Block(step, self.dimensions)
        name = key, step
        row = self._rows.get(name)
        if row is None:
            row = self._rows[name] = block.append(name)
        block.vectors[row] = vector
        block.parts[:, row] = parts

    def remove(self, key: str, step: int) -> bool:
        """Let a name go; False where there is none."""
        row = self._rows.pop((key, step), None)
        if row is None:
            return False
        moved = self._blocks[step].remove(row)
        if moved != (key, step):
            self._rows[moved] = row
        return True

    def neighbours(
        self, vector: NDArray[np.floating], parts: Parts, steps: Sequence[int] | None = None
    ) -> Neighbours:
        """What is held at `steps`, None: everything, beside a prompt of this embedding and these
        parts."""
        held = self._blocks.values() if steps is None else [self._blocks[step] for step in steps]
        blocks = list(held)
        if len(blocks) == 1:
            block = blocks[0]
            count = len(block.names)
            names: Names = block.names
            similarity = block.vectors[:count] @ vector.astype(np.float32, copy=False)
            others = block.parts[:, :count]
            step = block.steps[:count]
        else:
            counts = [len(block.names) for block in blocks]
            names = _Joined([block.names for block in blocks])
            total = sum(counts)
            similarity = np.empty(total, np.float32)
            others = np.empty((3, total), np.int32)
            step = np.empty(total, np.int32)
            first = 0
            for block, count in zip(blocks, counts, strict=True):
                end = first + count
                np.dot(block.vectors[:count], vector, out=similarity[first:end])
                others[:, first:end] = block.parts[:, :count]
                step[first:end] = block.steps[:count]
                first = end
        return Neighbours(names, similarity, kinds(parts, others.T, similarity), step)

    def groups(self, above: int, last: int) -> Iterator[list[int]]:
        """Steps beyond `above` up to `last` at which something is held, furthest first, in groups
        of GROUP rows or more, each next group of twice as many: who finds at once pays for few
        rows, and who finds nothing for few looks."""
        group: list[int] = []
        rows = 0
        enough = GROUP
        for step in range(last, above, -1):
            block = self._blocks.get(step)
            if block is None or not block.names:
                continue
            group.append(step)
            rows += len(block.names)
            if rows >= enough:
                yield group
                group = []
                rows = 0
                enough *= 2
        if group:
            yield group

    def nearest_prompt(self, vector: NDArray[np.floating], parts: Parts, own: str) -> Neighbours:
        """The outputs of the nearest prompt whose key is not `own`; of equals the smallest key."""
        beside = []
        for step, block in self._blocks.items():
            similarity = block.vectors[: len(block.names)] @ vector
            if (own, step) in self._rows:
                similarity[self._rows[own, step]] = -np.inf
            beside.append((block, similarity))
        nearest = max((of.max(initial=-np.inf) for _, of in beside), default=-np.inf)
        keys = [
            block.names[row][0]
            for block, similarity in beside
            if nearest > -np.inf
            for row in np.flatnonzero(similarity >= nearest - LIKE).tolist()
        ]
        key = min(keys, default="")
        steps = [step for step in self._blocks if (key, step) in self._rows]
        places = [(self._blocks[step], self._rows[key, step]) for step in steps]
        vectors = np.array([block.vectors[row] for block, row in places], np.float32)
        others = np.array([block.parts[:, row] for block, row in places], np.int32).reshape(-1, 3)
        similarity = vectors.reshape(-1, self.dimensions) @ vector
        names = [(key, step) for step in steps]
        kind = kinds(parts, others, similarity)
        return Neighbours(names, similarity, kind, np.array(steps, np.int32))

    def names(self) -> set[Name]:
        """Names of all rows."""
        return set(self._rows)

    def __contains__(self, name: Name) -> bool:
        return name in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def check(self) -> None:
        """Check that names and rows say the same, and that each row is a unit vector at its name's
        step. O(rows). Raises CacheCorrupted."""
        total = sum(len(block.names) for block in self._blocks.values())
        if len(self._rows) != total:
            raise CacheCorrupted(
                f"the index of likeness has {total} rows and {len(self._rows)} names"
            )
        for step, block in self._blocks.items():
            self._check(step, block)

    def _check(self, step: int, block: _Block) -> None:
        for row, name in enumerate(block.names):
            if self._rows.get(name) != row:
                raise CacheCorrupted(
                    f"the index of likeness has step {name[1]} of {name[0][:12]} in row {row} and "
                    f"looks for it in {self._rows.get(name)}"
                )
            if name[1] != step or block.steps[row] != step:
                raise CacheCorrupted(
                    f"the index of likeness has step {name[1]} of {name[0][:12]} among those of "
                    f"step {step}"
                )
        lengths = np.sqrt((block.vectors[: len(block.names)] ** 2).sum(1))
        for row in np.flatnonzero(~(np.abs(lengths - 1) <= _UNIT)).tolist():
            raise CacheCorrupted(
                f"the index of likeness has a vector of length {lengths[row]:.6g} for step "
                f"{step} of {block.names[row][0][:12]}"
            )
