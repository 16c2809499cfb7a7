import pytest

from midstep import units


@pytest.mark.parametrize(
    ("text", "value"), [("60s", 60), ("500ms", 0.5), ("2min", 120), (3, 3), ("1.5h", 5400)]
)
def test_durations(text: object, value: float) -> None:
    assert units.seconds(text) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "value"), [("500KB", 500_000), ("64KiB", 65_536), ("2MB", 2_000_000), (7, 7)]
)
def test_sizes_are_decimal_unless_written_binary(text: object, value: int) -> None:
    assert units.size(text) == value


@pytest.mark.parametrize("text", ["5 parsecs", "", "MB", True, "-3s"])
def test_nonsense_says_what_would_be_right(text: object) -> None:
    with pytest.raises(ValueError, match="such as"):
        units.seconds(text)
