"""What the events have in common that change devices and their links."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, PrivateAttr, model_validator

from midstep.events.base import Event
from midstep.events.changes import DeviceChange
from midstep.events.run import FaultyRun
from midstep.tree import MOST_USERS

if TYPE_CHECKING:
    import numpy as np

__all__ = ["DeviceEvent"]

User = Annotated[int, Field(ge=0, lt=2**32)]


class DeviceEvent(Event):
    """Base class of events that change devices: those of a `class`, of one `edge`, or some `users`
    by their numbers; all where nothing says which. Who comes while it lasts and would have been
    meant has it from the start. Several changes act together, and each ends alone."""

    of_class: str | None = Field(None, alias="class")
    """Name of the class of devices, `devices.N.class`; null: of every class."""
    users: tuple[User, ...] | None = Field(None, max_length=MOST_USERS)
    """Numbers of the users whose devices change, a list, the first is 0; null: all of them."""
    edge: str | None = None
    """Name of the edge whose devices change; null: of the whole run."""

    _cause: str = PrivateAttr("")

    @model_validator(mode="after")
    def _somebody_is_meant(self) -> DeviceEvent:
        if self.users == ():
            raise ValueError("users: an empty list means nobody; leave it out for all")
        return self

    @abstractmethod
    def change(self) -> DeviceChange:
        """What it changes. Raises ScenarioError, one line."""

    @abstractmethod
    def words(self) -> str:
        """What there is from now on, in words."""

    async def apply(self, run: FaultyRun, rng: np.random.Generator) -> str:
        self._cause = f"{self.kind} {rng.integers(2**62)}"  # another one each time it comes
        change = replace(self.change(), cause=self._cause)
        return f"{await self._at(run, change)}: {self.words()}"

    async def undo(self, run: FaultyRun) -> str:
        return f"{await self._at(run, DeviceChange(cause=self._cause))}: as before"

    async def _at(self, run: FaultyRun, change: DeviceChange) -> str:
        """Change the devices that are meant; how many they are, in words."""
        number = await run.change_devices(
            change, kind=self.of_class, users=self.users, edge=self.edge
        )
        return "1 device" if number == 1 else f"{number} devices"
