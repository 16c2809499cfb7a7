"""What a user wants, and who says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["UserRequest", "Workload"]


@dataclass(frozen=True)
class UserRequest:
    """What a user wants: the prompt in full, its semantic core, the user's own seeds where it has
    any, and a `negative` prompt, empty where there is none."""

    prompt: str
    edge_prompt: str
    variation_seed: int | None = None
    private_seed: int | None = None
    negative: str = ""


class Workload(Protocol):
    """Requests by (user, index, slot), whoever asks first."""

    def user_request(self, user: int, index: int, slot: int) -> UserRequest | None:
        """The `index`-th request of `user`, sent in `slot`; None where the list of prompts is at
        its end."""
