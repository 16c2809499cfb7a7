import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstep.errors import ScenarioError
from midstep.radio.pace import finish

RATES = st.lists(st.floats(0.1, 100), min_size=1, max_size=8)


def test_within_one_slot() -> None:
    assert finish(0.25, 5, lambda slot: 10, 1.0) == pytest.approx(0.75)


def test_over_a_boundary_each_slot_has_its_own_rate() -> None:
    # 0.5 s at 10, then the remaining 5 units at 2: 2.5 s, through a second boundary
    assert finish(0.5, 10, lambda slot: [10, 2, 2, 2, 2][slot], 1.0) == pytest.approx(3.5)


def test_a_hopeless_rate_is_told_instead_of_waited_for() -> None:
    with pytest.raises(ScenarioError, match=r"not done within .* slots at about 1e-08 a second"):
        finish(0.0, 4e6, lambda slot: 1e-8, 1.0)


@given(start=st.floats(0, 50), amount=st.floats(0.01, 40), rates=RATES, tau=st.floats(0.05, 5))
def test_what_passes_until_the_finish_is_the_amount(
    start: float, amount: float, rates: list[float], tau: float
) -> None:
    def rate(slot: int) -> float:
        return rates[slot % len(rates)]

    end = finish(start, amount, rate, tau)
    passed = 0.0
    now = start
    slot = int(start // tau)
    while now < end:
        edge = min(end, (slot + 1) * tau)
        passed += rate(slot) * max(0.0, edge - now)
        now = max(now, edge)
        slot = slot + 1
    assert passed == pytest.approx(amount, rel=1e-6, abs=1e-6)
