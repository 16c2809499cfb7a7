"""Parts that may be silent are asked once and waited for once."""

import asyncio
import gc

import pytest

from midstep.clock import run_virtual
from midstep.errors import PartDied
from orchestrator.live.inquiry import Inquiries, Inquiry


class Part:
    """Answers each call `wait_s` after it, with the call's number."""

    def __init__(self, wait_s: float, error: Exception | None = None) -> None:
        self.wait_s = wait_s
        self.error = error
        self.calls = 0

    async def answer(self) -> int:
        self.calls += 1
        number = self.calls
        await asyncio.sleep(self.wait_s)
        if self.error is not None:
            raise self.error
        return number


def test_an_open_question_is_neither_asked_nor_waited_for_again() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        part = Part(5.0)
        inquiry: Inquiry[int] = Inquiry(1.0)
        assert await inquiry.ask(part.answer) is None and loop.time() == 1.0
        assert await inquiry.ask(part.answer) is None and loop.time() == 1.0
        assert inquiry.open and inquiry.unanswered == 2 and part.calls == 1
        await asyncio.sleep(5)
        assert await inquiry.ask(part.answer) == 1 and not inquiry.open and inquiry.unanswered == 0
        part.wait_s = 0.0
        assert await inquiry.ask(part.answer) == 2

    run_virtual(main())


def test_what_a_part_raises_is_raised_late_or_not_and_closes_the_question() -> None:
    async def main() -> None:
        part = Part(2.0, PartDied("gone"))
        inquiry: Inquiry[int] = Inquiry(1.0)
        assert await inquiry.ask(part.answer) is None
        await asyncio.sleep(2)
        with pytest.raises(PartDied, match="gone"):
            await inquiry.ask(part.answer)
        assert not inquiry.open

    run_virtual(main())


def test_a_part_that_dies_when_nobody_asks_any_more_says_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        inquiry: Inquiry[int] = Inquiry(1.0)
        assert await inquiry.ask(Part(2.0, PartDied("gone")).answer) is None
        await asyncio.sleep(2)
        del inquiry
        gc.collect()  # asyncio prints what nobody has read when it goes

    run_virtual(main())
    assert not caplog.records


def test_a_part_that_is_silent_twice_is_announced_once_and_its_answer_can_be_taken_over() -> None:
    async def main() -> None:
        news: list[str] = []
        inquiries: Inquiries[int] = Inquiries(1.0, news.append)
        slow = Part(10.0)
        for _ in range(4):
            assert await inquiries.ask("slow", slow.answer) is None
            assert await inquiries.ask("quick", Part(0.0).answer) == 1
        assert inquiries.silent == ["slow"] and slow.calls == 1
        assert news == ["slow is silent; the others do not wait for it"]
        answer = inquiries.withdraw("slow")
        assert answer is not None and await answer == 1 and inquiries.silent == []
        assert inquiries.withdraw("slow") is None and inquiries.withdraw("nobody") is None

    run_virtual(main())
