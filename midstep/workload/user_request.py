"""What a user wants, and who says so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

__all__ = ["StartChoice", "UserRequest", "Workload"]


class StartChoice(NamedTuple):
    """A picture to begin from, by its number, and the strength."""

    picture: int
    strength: float


@dataclass(frozen=True)
class UserRequest:
    """What a user wants: the prompt in full, what of it the edge is asked for, the user's own seeds
    where it has any, a `negative` prompt, empty where there is none, and a `start` picture, None:
    from noise alone. `core_prompt`: the semantic core, None where the edge is asked for just
    that."""

    prompt: str
    edge_prompt: str
    variation_seed: int | None = None
    private_seed: int | None = None
    negative: str = ""
    start: StartChoice | None = None
    core_prompt: str | None = None

    @property
    def core(self) -> str:
        """The prompt's semantic core, whatever the edge is asked for."""
        return self.edge_prompt if self.core_prompt is None else self.core_prompt

    def in_full(self) -> UserRequest:
        """The same, with the edge asked for the whole prompt."""
        return replace(self, edge_prompt=self.prompt, core_prompt=self.core)

    def with_start(self, start: StartChoice) -> UserRequest:
        """The same from that picture."""
        return replace(self, start=start)


class Workload(Protocol):
    """Requests by (user, index, slot), whoever asks first."""

    def user_request(self, user: int, index: int, slot: int) -> UserRequest | None:
        """The `index`-th request of `user`, sent in `slot`; None where the list of prompts is at
        its end."""
