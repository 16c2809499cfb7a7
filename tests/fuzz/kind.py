"""A kind of odd input."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from random import Random
from typing import ClassVar

__all__ = ["Fault", "Kind"]


class Fault(Exception):
    """What must not happen, where no exception tells: a damaged thing believed, a traceback in a
    log, a message of several lines."""


class Kind(ABC):
    """Draws an input and gives it to the program. `folder` is its own."""

    name: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def one(self, rng: Random) -> None:
        """Try one input. Raises MidstepError where it was refused as it should be; whatever else is
        raised is a fault."""

    def close(self) -> None:
        """Free what it holds."""
        return
