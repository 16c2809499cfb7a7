"""Index of held outputs by the embeddings of their prompts: one matrix, brute force."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from midstep.errors import CacheCorrupted
from midstep.reuse.likeness import FloatArray, IntArray, Parts, kinds

__all__ = ["LikenessIndex", "Name", "Neighbours"]

Name = tuple[str, int]  # an output's prompt_key and step

_LEAST_ROWS = 64
_UNIT = 1e-3  # how far a vector's length may be from 1


class Neighbours(NamedTuple):
    """Held outputs beside a prompt, in no order: `names` (prompt_key, step), the cosine of the
    embeddings, the likeness as a number into LIKENESS, the step; n each. A view of the index: good
    until it changes."""

    names: Sequence[Name]
    similarity: FloatArray
    kind: IntArray
    step: IntArray


class LikenessIndex:
    """Unit vectors of `dimensions` numbers under (prompt_key, step), float32, a row each, without
    holes: the last row moves where one leaves. Twice the rows where there is no room."""

    def __init__(self, dimensions: int) -> None:
        if dimensions < 1:
            raise ValueError(f"vectors of {dimensions} numbers are alike in nothing")
        self.dimensions = dimensions
        self._names: list[Name] = []
        self._rows: dict[Name, int] = {}
        self._vectors = np.empty((_LEAST_ROWS, dimensions), np.float32)
        self._parts = np.empty((3, _LEAST_ROWS), np.int32)
        self._steps = np.empty(_LEAST_ROWS, np.int32)

    def add(self, key: str, step: int, vector: NDArray[np.floating], parts: Parts) -> None:
        """Put a vector under a name, in place of the one that is there. Raises ValueError for a
        vector that is not of this index's dimensions or not of unit length."""
        if vector.shape != (self.dimensions,):
            raise ValueError(f"a vector of shape {vector.shape} in an index of {self.dimensions}")
        length = float(np.sqrt(np.dot(vector, vector)))
        if not abs(length - 1) <= _UNIT:
            raise ValueError(f"a vector of length {length:.6g}: it has to be 1")
        name = key, step
        row = self._rows.get(name)
        if row is None:
            row = len(self._names)
            if row == len(self._vectors):
                self._grow()
            self._names.append(name)
            self._rows[name] = row
        self._vectors[row] = vector
        self._parts[:, row] = parts
        self._steps[row] = step

    def remove(self, key: str, step: int) -> bool:
        """Let a name go; False where there is none."""
        row = self._rows.pop((key, step), None)
        if row is None:
            return False
        last = len(self._names) - 1
        moved = self._names.pop()
        if row != last:
            self._names[row] = moved
            self._rows[moved] = row
            self._vectors[row] = self._vectors[last]
            self._parts[:, row] = self._parts[:, last]
            self._steps[row] = self._steps[last]
        return True

    def neighbours(self, vector: NDArray[np.floating], parts: Parts) -> Neighbours:
        """Everything that is held, beside a prompt of this embedding and these parts."""
        count = len(self._names)
        similarity = self._vectors[:count] @ vector.astype(np.float32, copy=False)
        kind = kinds(parts, self._parts[:, :count].T, similarity)
        return Neighbours(self._names, similarity, kind, self._steps[:count])

    def rows(self, key: str, last_step: int) -> NDArray[np.intp]:
        """Rows, which are places in `neighbours`, of a prompt_key at steps 1 to `last_step`."""
        places = (self._rows.get((key, step)) for step in range(1, last_step + 1))
        return np.array([row for row in places if row is not None], np.intp)

    def names(self) -> list[Name]:
        """Names of all rows."""
        return list(self._names)

    def __contains__(self, name: Name) -> bool:
        return name in self._rows

    def __len__(self) -> int:
        return len(self._names)

    def check(self) -> None:
        """Check that names and rows say the same, and that each row is a unit vector at its name's
        step. O(rows). Raises CacheCorrupted."""
        count = len(self._names)
        if len(self._rows) != count:
            raise CacheCorrupted(
                f"the index of likeness has {count} rows and {len(self._rows)} names"
            )
        for row, name in enumerate(self._names):
            if self._rows.get(name) != row:
                raise CacheCorrupted(
                    f"the index of likeness has step {name[1]} of {name[0][:12]} in row {row} and "
                    f"looks for it in {self._rows.get(name)}"
                )
            if self._steps[row] != name[1]:
                raise CacheCorrupted(
                    f"the index of likeness has step {self._steps[row]} in the row of step "
                    f"{name[1]} of {name[0][:12]}"
                )
        lengths = np.sqrt((self._vectors[:count] ** 2).sum(1))
        wrong = np.flatnonzero(~(np.abs(lengths - 1) <= _UNIT))
        if len(wrong):
            row = int(wrong[0])
            raise CacheCorrupted(
                f"the index of likeness has a vector of length {lengths[row]:.6g} for step "
                f"{self._names[row][1]} of {self._names[row][0][:12]}"
            )

    def _grow(self) -> None:
        count = len(self._names)
        rows = 2 * len(self._vectors)
        vectors = np.empty((rows, self.dimensions), np.float32)
        vectors[:count] = self._vectors[:count]
        parts = np.empty((3, rows), np.int32)
        parts[:, :count] = self._parts[:, :count]
        steps = np.empty(rows, np.int32)
        steps[:count] = self._steps[:count]
        self._vectors = vectors
        self._parts = parts
        self._steps = steps
