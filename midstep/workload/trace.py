"""A trace: requests that a run has recorded, or that a file lists, to be asked for again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from midstep.workload.user_request import UserRequest

__all__ = ["Trace", "TraceWorkload", "TracedRequest", "with_negative", "with_whole_prompts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedRequest:
    """A request of a trace. `user`: None where users take turns; `number`: which of its user's
    requests, None: the next; `due_s`: when it was due, of an open arrival; `think_s`: how long the
    user thought before it, of a closed one. `has_core`: its edge prompt is its core; otherwise its
    source names none, and it stands there as a whole. `whole_at`: where its source has it, in
    words, if that says that the whole prompt is the core."""

    request: UserRequest
    user: int | None = None
    number: int | None = None
    due_s: float | None = None
    think_s: float | None = None
    has_core: bool = True
    whole_at: str | None = None


@dataclass(frozen=True, kw_only=True)
class Trace:
    """Requests of a file or a run, `source`, in order. `of_run`: a run has recorded them, so that
    users whose requests are at their end stay, as they did then. `has_negatives`: it says who has
    which negative prompt, or none."""

    source: str
    requests: Sequence[TracedRequest]
    of_run: bool = False
    has_negatives: bool = False

    @cached_property
    def users(self) -> int:
        """How many users the trace has, 0 where it names none."""
        return 1 + max((one.user for one in self.requests if one.user is not None), default=-1)

    @property
    def arrivals(self) -> Literal["instants", "think times"] | None:
        """What says when requests are sent: their instants, their users' think times, or None."""
        first = self.requests[0] if self.requests else None
        if first is None or (first.due_s is None and first.think_s is None):
            return None
        return "think times" if first.think_s is not None else "instants"

    def by_user(self, users: int) -> dict[int, list[TracedRequest | None]]:
        """Each user's requests by their numbers, None where one is missing; of `users` users, who
        take turns where none is named."""
        requests: dict[int, list[TracedRequest | None]] = {}
        for place, one in enumerate(self.requests):
            user = place % users if one.user is None else one.user
            mine = requests.setdefault(user, [])
            if one.number is not None:
                mine += [None] * (one.number - len(mine))
            mine.append(one)
        return requests


def with_negative(trace: Trace, negative: str) -> Trace:
    """The trace with this negative prompt for all, unless it says who has which."""
    if trace.has_negatives or not negative:
        return trace
    requests = tuple(
        replace(one, request=replace(one.request, negative=negative)) for one in trace.requests
    )
    return replace(trace, requests=requests, has_negatives=True)


def with_whole_prompts(trace: Trace) -> Trace:
    """The trace with the edge asked for every prompt as it is."""
    requests = tuple(replace(one, request=one.request.in_full()) for one in trace.requests)
    return replace(trace, requests=requests)


class TraceWorkload:
    """See Workload: each user's requests in their order."""

    def __init__(self, requests: Mapping[int, Sequence[TracedRequest | None]]) -> None:
        self._requests = requests

    def user_request(self, user: int, index: int, slot: int) -> UserRequest | None:
        mine = self._requests.get(user, ())
        one = mine[index] if index < len(mine) else None
        return None if one is None else one.request
