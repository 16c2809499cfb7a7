"""Calls to parts that may not answer: each is made once, and its timeout is waited out once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

__all__ = ["Inquiries", "Inquiry"]

T = TypeVar("T")
Question = Callable[[], Coroutine[Any, Any, T]]


class Inquiry(Generic[T]):
    """A call to one part. Where no answer comes within `patience_s` wall seconds the call stays
    open: later `ask`s do not wait for it, and the first after its arrival returns the answer."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._answer: asyncio.Future[T] | None = None
        self.unanswered = 0  # how many `ask`s the open call has left without an answer

    @property
    def open(self) -> bool:
        """Whether the answer to an earlier `ask` has not been returned yet."""
        return self._answer is not None

    async def ask(self, question: Question[T]) -> T | None:
        """Call `question`, unless an earlier call is still open, and return the answer; None where
        there is none yet. Raises what the part raises."""
        timeout_s = 0.0 if self.open else self._patience_s
        if self._answer is None:
            self._answer = asyncio.ensure_future(question())
            self._answer.add_done_callback(_read)
        answer = self._answer
        await asyncio.wait({answer}, timeout=timeout_s)
        if not answer.done():
            self.unanswered += 1
            return None
        self._answer = None
        self.unanswered = 0
        return answer.result()

    async def settle(self, patience_s: float) -> None:
        """Wait for the answer to the open call, if there is one; the next `ask` returns it."""
        if self._answer is not None:
            await asyncio.wait({self._answer}, timeout=patience_s)

    def withdraw(self) -> asyncio.Future[T] | None:
        """Hand the open call's answer over to the caller, and forget it."""
        answer = self._answer
        self._answer = None
        return answer


class Inquiries(Generic[T]):
    """An inquiry for each of several parts, by name. A part that is silent at two calls in a row is
    announced, once."""

    def __init__(self, patience_s: float, announce: Callable[[str], None]) -> None:
        self._patience_s = patience_s
        self._announce = announce
        self._of: dict[str, Inquiry[T]] = {}
        self._announced: set[str] = set()

    async def ask(self, name: str, question: Question[T]) -> T | None:
        """See Inquiry.ask."""
        inquiry = self._of.setdefault(name, Inquiry(self._patience_s))
        answer = await inquiry.ask(question)
        if inquiry.unanswered > 1 and name not in self._announced:
            self._announced.add(name)
            self._announce(f"{name} is silent; the others do not wait for it")
        return answer

    async def settle(self, name: str, patience_s: float) -> None:
        """Wait for the answer to an open call; a later `ask` returns it."""
        inquiry = self._of.get(name)
        if inquiry is not None:
            await inquiry.settle(patience_s)

    def withdraw(self, name: str) -> asyncio.Future[T] | None:
        """See Inquiry.withdraw."""
        inquiry = self._of.get(name)
        return None if inquiry is None else inquiry.withdraw()

    @property
    def silent(self) -> list[str]:
        """The parts whose answers are still to come."""
        return [name for name, inquiry in self._of.items() if inquiry.open]


def _read(answer: asyncio.Future[Any]) -> None:
    """Look at what a call came to: a part that dies after the last question to it, as one that is
    stopped does at a run's end, is nobody's any more, and asyncio would print its traceback."""
    if not answer.cancelled():
        answer.exception()
