"""Progress where there is no terminal: neither silent nor a flood."""

from orchestrator.watch.progress_bar import Lines, progress_bar


def test_lines_say_how_far_it_is_and_how_long_it_takes_still() -> None:
    said: list[str] = []
    now = 0.0
    lines = Lines("three policies", said.append, lambda: now)
    assert said == ["three policies"]
    for _ in range(64):
        now += 1.0
        lines.advance(1 / 64)
    assert said[1] == "8% after 5 s, about 59 s to go"
    assert len(said) == 1 + 64 // 5


def test_slow_work_has_a_line_a_minute_and_quick_work_none() -> None:
    said: list[str] = []
    now = 0.0
    slow = Lines("slow", said.append, lambda: now)
    for _ in range(50):
        now += 12.0
        slow.advance(0.0001)
    assert len(said) == 1 + 10
    assert "h" not in said[1] and said[1].startswith("0% after 60 s, about ")
    said.clear()
    quick = Lines("quick", said.append, lambda: now)
    for _ in range(1000):
        now += 0.004
        quick.advance(0.001)
    assert said == ["quick"]


def test_a_log_gets_plain_lines(capsys) -> None:  # type: ignore[no-untyped-def]
    with progress_bar("a title") as advance:
        advance(1.0)
    assert capsys.readouterr().err == "a title\n"
