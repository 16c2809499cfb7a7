"""What edges counted against the record, and what deaths cost, in words."""

from orchestrator.records.fidelity import verdict
from orchestrator.records.reconciliation import answers_lines, loss_line
from tests.orchestrator.records.record_rows import row


def test_what_an_edge_counted_is_held_against_the_rows_that_have_an_answer() -> None:
    rows = [row(number, reuse="exact") for number in range(3)]
    rows.append(row(3, reuse=None, result="failed"))
    assert answers_lines({"edge-0": 3, "edge-1": 0}, rows) == []
    assert answers_lines({"edge-0": 5}, rows) == [
        "edge-0 counted 5 answers, the record has 3: 2 reached no device that lived to use them"
    ]
    assert answers_lines({"edge-0": 2}, rows) == [
        "edge-0 counted 2 answers, the record has 3: 1 rows have an answer that it did not give"
    ]
    assert answers_lines({"edge-0": 2}, rows, restarted={"edge-0"}) == []


def test_a_death_that_took_requests_makes_a_run_invalid() -> None:
    rows = [{"result": "failed"}, {"result": "dropped"}, {"result": "dropped"}]
    line = loss_line(rows, "host-1")
    assert line == "1 requests in flight were lost and 2 requests were never sent as host-1 died"
    assert loss_line([], "host-1") is None
    assert verdict([], done=5, lost=[line]) == f"INVALID: {line}"
    assert verdict([], done=5) == "VALID"
