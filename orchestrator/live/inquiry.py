"""Questions to parts that may be silent: asked once, and waited for once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

__all__ = ["Inquiries", "Inquiry"]

T = TypeVar("T")
Question = Callable[[], Coroutine[Any, Any, T]]


class Inquiry(Generic[T]):
    """One question to one part. An answer that does not come within `patience_s` wall seconds stays
    awaited, but nobody waits for it again: a later `ask` returns it once it is there."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._answer: asyncio.Future[T] | None = None
        self.unanswered = 0  # times that the open question was asked for in vain

    @property
    def open(self) -> bool:
        """Whether an answer of an earlier `ask` is still to come, or to be fetched."""
        return self._answer is not None

    async def ask(self, question: Question[T]) -> T | None:
        """The answer, or that of the question that is still open; None where there is none yet.
        Raises what the part raises."""
        timeout_s = 0.0 if self.open else self._patience_s
        answer = self._answer = self._answer or asyncio.ensure_future(question())
        await asyncio.wait({answer}, timeout=timeout_s)
        if not answer.done():
            self.unanswered += 1
            return None
        self._answer = None
        self.unanswered = 0
        return answer.result()

    def withdraw(self) -> asyncio.Future[T] | None:
        """The open question's answer, which is the caller's from now on."""
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

    def withdraw(self, name: str) -> asyncio.Future[T] | None:
        """See Inquiry.withdraw."""
        inquiry = self._of.get(name)
        return None if inquiry is None else inquiry.withdraw()

    @property
    def silent(self) -> list[str]:
        """The parts whose answers are still to come."""
        return [name for name, inquiry in self._of.items() if inquiry.open]
