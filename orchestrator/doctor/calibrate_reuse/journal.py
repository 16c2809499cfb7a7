"""What a calibration has measured so far: a line a picture's class and pair, appended and never
changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from midstep.errors import OptionError, RecordError
from orchestrator.records.append_only import append_lines, whole_lines

__all__ = ["Journal", "head_difference"]


class Journal:
    """`values`: (class, pair, step) -> metric -> value; `curves`: pair -> name -> PSNR after each
    step. `head` says what is measured: a file of another head is refused (OptionError). A last line
    that was cut off by a kill is measured again."""

    def __init__(self, path: Path, head: Mapping[str, Any]) -> None:
        self.path = path
        self.values: dict[tuple[str, int, int], dict[str, float]] = {}
        self.curves: dict[int, dict[str, list[float]]] = {}
        self._head = dict(head)
        try:
            if path.exists():
                self._read()
            else:
                append_lines(self.path, [self._head])
        except OSError as error:
            raise RecordError(f"{path}: {error.strerror}") from error

    def add(
        self,
        values: Mapping[tuple[str, int, int], Mapping[str, float]],
        curves: Mapping[int, Mapping[str, list[float]]],
    ) -> None:
        """Append what was measured together; it is on the disk when this returns. Raises
        RecordError."""
        rows: dict[tuple[str, int], dict[int, Mapping[str, float]]] = {}
        for (kind, pair, step), of in values.items():
            rows.setdefault((kind, pair), {})[step] = of
        lines: list[dict[str, Any]] = [
            {"kind": kind, "pair": pair, "steps": steps} for (kind, pair), steps in rows.items()
        ]
        lines.extend({"pair": pair, "curves": of} for pair, of in curves.items())
        try:
            append_lines(self.path, lines)
        except OSError as error:
            raise RecordError(
                f"{self.path}: {error.strerror}; what was measured before is in it: the same "
                f"command goes on from there"
            ) from error
        for line in lines:
            self._take(json.loads(json.dumps(line)))

    def _read(self) -> None:
        lines = whole_lines(self.path)
        if not lines:
            append_lines(self.path, [self._head])
            return
        try:
            trees = [json.loads(line) for line in lines]
            difference = head_difference(trees[0], self._head)
            if not difference:
                for tree in trees[1:]:
                    self._take(tree)
                return
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise RecordError(
                f"{self.path}: damaged ({error}); delete it to begin again"
            ) from error
        raise OptionError(
            f"--out: {self.path} belongs to another calibration ({difference}); delete it, or give "
            f"another --out"
        )

    def _take(self, tree: dict[str, Any]) -> None:
        if "curves" in tree:
            self.curves[tree["pair"]] = tree["curves"]
            return
        for step, values in tree["steps"].items():
            self.values[tree["kind"], tree["pair"], int(step)] = values


def head_difference(other: Any, head: Mapping[str, Any]) -> str:
    """Where the head of a journal, `other`, is not `head`, in words; nothing where it is."""
    if other == json.loads(json.dumps(head)):
        return ""
    if isinstance(other, dict):
        for key, value in head.items():
            if other.get(key) != json.loads(json.dumps(value)):
                return f"its {key} is {str(other.get(key))[:60]}, here {str(value)[:60]}"
    return "it has no head"
