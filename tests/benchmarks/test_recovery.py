"""The count of requests that have no row."""

from benchmarks.recovery import without_row


def test_a_gap_in_a_users_numbers_is_a_request_without_a_row() -> None:
    whole = ["00000-00000", "00000-00001", "00003-00000"]
    assert without_row(whole) == 0
    assert without_row([*whole, "00003-00004"]) == 3
