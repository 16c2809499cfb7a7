"""Samples of pictures that a host makes again without reuse."""

from __future__ import annotations

import pytest

from midstep.telemetry.record import RequestRow
from midstep.wire.frame import Frame
from user_agent.finished import Finished
from user_agent.samples import Samples


def finished_of(reuse: str, number: int, **changes: object) -> Finished:
    row = RequestRow(
        request_id=f"{reuse}-{number}",
        edge="e",
        user=0,
        device_class="phone",
        process_id=1,
        prompt="p",
        edge_prompt="p",
        reuse=reuse,
        result="done",
    )
    for name, value in changes.items():
        setattr(row, name, value)
    return Finished(row, b"", Frame.seal("p", "k", 6, 10, b""))


@pytest.mark.parametrize("limit", [0, 1, 4, 7])
def test_samples_are_never_more_than_asked_for_and_even_over_the_kinds(limit: int) -> None:
    samples = Samples(limit)
    for number in range(50):
        samples.add(finished_of("computed", number))
    for number in range(50):
        samples.add(finished_of("exact", number))
        samples.add(finished_of("shared", number))
    samples.add(finished_of("exact", 99, variation_seed=3))
    samples.add(finished_of("exact", 99, result="failed"))
    kinds = [finished.row.reuse for finished in samples.chosen()]
    assert len(kinds) == limit
    counts = [kinds.count(kind) for kind in ("computed", "exact", "shared")]
    assert max(counts) - min(counts) <= 1
    assert all(int(f.row.request_id.rpartition("-")[2]) < limit for f in samples.chosen())
