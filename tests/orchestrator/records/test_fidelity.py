"""The emulator measures its own error, and says when it is too large."""

from midstep.scenario import Scenario
from orchestrator.records import fidelity, summary
from tests.orchestrator.records.record_rows import row, slot


def test_lateness_beyond_its_bound_makes_a_run_invalid_and_says_why() -> None:
    good = [row(i).dict() for i in range(50)]
    slots = [vars(slot(i)) for i in range(5)]
    assert fidelity.verdict(fidelity.measure(good, slots, 1.0), 50) == "VALID"
    late = [row(i, device_late_s=0.5, device_s=2.5).dict() for i in range(50)]
    sentence = fidelity.verdict(fidelity.measure(late, slots, 1.0), 50)
    assert sentence.startswith(
        "INVALID: emulator overloaded: device lateness p99 is 500 ms, the bound 40 ms"
    )
    assert "fewer users" in sentence


def test_late_arrivals_make_a_run_invalid_and_older_rows_say_nothing_of_them() -> None:
    late = [row(i, due_s=1.0, arrived_s=1.15, arrival_late_s=0.15).dict() for i in range(50)]
    sentence = fidelity.verdict(fidelity.measure(late, [], 1.0), 50)
    assert "arrival lateness p99 is 150 ms, the bound 51 ms" in sentence
    assert "devices_per_host" in sentence
    assert [e.part for e in fidelity.measure([row(1).dict()], [], 1.0)] == ["link", "device"]


def test_arrivals_that_were_never_sent_make_a_run_invalid_unless_a_death_explains_them(
    scenario: Scenario,
) -> None:
    def verdict(given_up_s: float, undisturbed: bool) -> str:
        dropped = row(50, result="dropped", due_s=9.0, arrived_s=given_up_s)
        rows = [each.dict() for each in [*(row(i) for i in range(50)), dropped]]
        facts = summary.RunFacts(undisturbed=undisturbed)
        return str(summary.summarise(scenario, rows, [], [], facts)["verdict"])

    assert verdict(9.5, True).startswith(
        "INVALID: emulator overloaded: 1 arrivals were due and never sent: give each host fewer"
    )
    assert verdict(9.5, False) == "VALID"
    assert verdict(9.01, True) == "VALID", "its end may overtake what is due in the last moment"


def test_a_link_that_is_off_by_more_than_a_percent_is_invalid() -> None:
    off = [row(i, transfer_late_s=0.008, transfer_s=0.408).dict() for i in range(50)]
    assert "rate is off by 2.0%" in fidelity.verdict(fidelity.measure(off, [], 1.0), 50)


def test_the_bounds_are_of_the_work_and_not_of_the_wait_before_it() -> None:
    """2 % of 40 s would be 800 ms; of the 2 s of work it is 40 ms."""
    late = [row(i, device_late_s=0.5, device_s=40.5, device_wait_s=38.0).dict() for i in range(50)]
    assert "the bound 40 ms" in fidelity.verdict(fidelity.measure(late, [], 1.0), 50)
    late = [
        row(i, transfer_late_s=0.008, transfer_s=4.408, transfer_wait_s=4.0).dict()
        for i in range(50)
    ]
    assert "rate is off by 2.0%" in fidelity.verdict(fidelity.measure(late, [], 1.0), 50)


def test_slots_that_nobody_waited_for_are_late_of_nothing() -> None:
    errors = fidelity.measure([], [vars(slot(i, 0.04)) for i in range(3)], 1.0)
    assert not errors[0].within_bound
    made_up = [vars(slot(i, None)) for i in range(3, 300)]
    slots = [*(vars(slot(i, 0.04)) for i in range(3)), *made_up]
    assert fidelity.measure([], slots, 1.0)[0].dict() == errors[0].dict()
    assert fidelity.measure([], made_up, 1.0) == []
