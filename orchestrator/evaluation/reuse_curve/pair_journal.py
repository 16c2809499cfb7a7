"""What has been drawn so far: a line a pair of prompts, and the pictures themselves, appended and
never changed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from midstep.diffusion.denoise import Picture
from midstep.errors import OptionError, RecordError
from orchestrator.records.append_only import append_lines, whole_lines

__all__ = ["Drawn", "PairJournal", "Place"]

PAIRS = "pairs.jsonl"
PICTURES = "pictures.bin"  # one behind the other, height x width x 3 bytes each


class Place(NamedTuple):
    """A picture of `prompt` that goes on from `step` of the output of `donor`, a core prompt; step
    0: without reuse, from the noise of the donor."""

    donor: str
    prompt: str
    step: int


class Drawn(NamedTuple):
    """One picture's qualities against the one without reuse, by metric (fidelity also of that one),
    and its number in the file of pictures."""

    values: Mapping[str, float]
    number: int


class PairJournal:
    """`drawn`: by place. `head` says what is measured: a folder of another head is refused
    (OptionError). What a kill has cut off is drawn again."""

    def __init__(self, folder: Path, head: Mapping[str, Any], shape: tuple[int, int, int]) -> None:
        self.path = folder / PAIRS
        self.drawn: dict[Place, Drawn] = {}
        self._pictures = folder / PICTURES
        self._shape = shape
        self._size = int(np.prod(shape))
        self._head = json.loads(json.dumps(dict(head)))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._pictures.touch()
            self._count = self._pictures.stat().st_size // self._size
            if self.path.exists():
                self._read()
            else:
                append_lines(self.path, [self._head])
        except OSError as error:
            raise RecordError(f"{folder}: {error.strerror}") from error

    def add(self, pictures: Mapping[Place, tuple[Mapping[str, float], Picture]]) -> None:
        """Append what was drawn together; it is on the disk when this returns. Raises
        RecordError, ValueError for a picture of another shape."""
        if any(picture.shape != self._shape for _, picture in pictures.values()):
            raise ValueError(f"a picture that is not of shape {self._shape}")
        lines: dict[tuple[str, str], dict[str, Any]] = {}
        try:
            with self._pictures.open("r+b") as file:
                file.truncate(self._count * self._size)
                file.seek(0, os.SEEK_END)
                for number, (place, (values, picture)) in enumerate(pictures.items(), self._count):
                    file.write(np.ascontiguousarray(picture, np.uint8).tobytes())
                    line = lines.setdefault(
                        place[:2], {"donor": place.donor, "prompt": place.prompt, "steps": {}}
                    )
                    line["steps"][str(place.step)] = {**values, "picture": number}
                file.flush()
                os.fsync(file.fileno())
            append_lines(self.path, [*lines.values()])
        except OSError as error:
            raise RecordError(
                f"{self.path}: {error.strerror}; what was measured before is in it: the same "
                f"command goes on from there"
            ) from error
        self._count += len(pictures)
        for line in lines.values():
            self._take(line)

    def picture(self, place: Place) -> Picture:
        """A picture that was drawn. Raises KeyError where it was not, RecordError where the file
        cannot be read."""
        number = self.drawn[place].number
        try:
            pixels = np.fromfile(self._pictures, np.uint8, self._size, offset=number * self._size)
        except OSError as error:
            raise RecordError(f"{self._pictures}: {error.strerror}") from error
        return pixels.reshape(self._shape)

    def _read(self) -> None:
        lines = whole_lines(self.path)
        if not lines:
            append_lines(self.path, [self._head])
            return
        try:
            trees = [json.loads(line) for line in lines]
            if trees[0] == self._head:
                for tree in trees[1:]:
                    self._take(tree)
                return
            differs = next(k for k, v in self._head.items() if trees[0].get(k) != v)
        except (ValueError, KeyError, AttributeError, TypeError, StopIteration) as error:
            raise RecordError(
                f"{self.path}: damaged ({error}); delete it to begin again"
            ) from error
        raise OptionError(
            f"--out: {self.path} belongs to another measurement (its {differs} is "
            f"{str(trees[0].get(differs))[:60]}, here {str(self._head[differs])[:60]}); delete it, "
            f"or give another --out"
        )

    def _take(self, tree: Mapping[str, Any]) -> None:
        for step, values in tree["steps"].items():
            metrics = dict(values)
            number = int(metrics.pop("picture"))
            if number < self._count:  # a line whose picture was lost with the machine's power
                place = Place(tree["donor"], tree["prompt"], int(step))
                self.drawn[place] = Drawn(metrics, number)
