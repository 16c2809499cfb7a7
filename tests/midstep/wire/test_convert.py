"""Every wire message crosses unchanged, whatever its fields hold: a new field cannot be lost in
silence, since the values are drawn over dataclasses.fields."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstep.v1 import edge_pb2 as pb
from midstep.wire import (
    convert,
    convert_control,
    convert_neighbours,
    messages,
    messages_control,
    messages_neighbours,
)
from midstep.wire.frame import Frame
from midstep.wire.identity import PipelineIdentity
from midstep.wire.start import Start

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
UINT32 = st.integers(0, 2**32 - 1)
BY_TYPE: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    int: UINT32,
    float: st.floats(allow_nan=False),
    bool: st.booleans(),
    bytes: st.binary(max_size=50),
    int | None: st.none() | st.integers(-(2**63), 2**63 - 1),
    str | None: st.none() | TEXT,
    messages.Reuse: st.sampled_from(get_args(messages.Reuse)),
    tuple[tuple[str, int], ...]: st.lists(st.tuples(TEXT, UINT32), max_size=4).map(tuple),
    tuple[tuple[str, int], ...] | None: (
        st.none() | st.lists(st.tuples(TEXT, UINT32), max_size=4).map(tuple)
    ),
    tuple[messages_control.Eviction, ...]: st.lists(TEXT | st.tuples(TEXT, UINT32), max_size=4).map(
        tuple
    ),
    tuple[float, ...]: st.lists(st.floats(allow_nan=False), max_size=4).map(tuple),
}


def values(kind: type) -> st.SearchStrategy[Any]:
    """Instances of a dataclass, every field drawn by its type."""
    hints = get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    return st.builds(kind, **{name: BY_TYPE[hints[name]] for name in names})


PARTS = (
    Frame,
    PipelineIdentity,
    Start,
    messages_control.CachedOutput,
    messages_control.EdgeWork,
    messages_control.Neighbouring,
    messages_control.PlannedStep,
    messages.Quality,
    messages_control.Targets,
)
for kind in PARTS:
    BY_TYPE[kind] = values(kind)
    BY_TYPE[kind | None] = st.none() | BY_TYPE[kind]
for kind in (
    messages_control.CachedOutput,
    messages_control.Neighbouring,
    messages_control.PlannedStep,
):
    BY_TYPE[tuple[kind, ...]] = st.lists(BY_TYPE[kind], max_size=3).map(tuple)

CROSSINGS: dict[type, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    messages.Description: (convert.description_to, convert.description_from),
    messages.Request: (convert.request_to, convert.request_from),
    messages.Answer: (convert.answer_to, convert.answer_from),
    messages.QualitySample: (convert.sample_to, convert.sample_from),
    messages_control.Access: (convert_control.access_to, convert_control.access_from),
    messages_control.CacheUpdate: (convert_control.update_to, convert_control.update_from),
    messages_control.CacheUpdateResult: (convert_control.result_to, convert_control.result_from),
    messages_control.CacheSnapshot: (convert_control.snapshot_to, convert_control.snapshot_from),
    messages_control.Demand: (convert_control.demand_to, convert_control.demand_from),
    messages_control.SlotPlan: (convert_control.plan_to, convert_control.plan_from),
    messages_neighbours.Digest: (convert_neighbours.digest_to, convert_neighbours.digest_from),
    messages_neighbours.LentOutput: (convert_neighbours.lent_to, convert_neighbours.lent_from),
}


@pytest.mark.parametrize("kind", CROSSINGS, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_a_message_comes_back_as_it_went(kind: type, data: st.DataObject) -> None:
    to, back = CROSSINGS[kind]
    value = data.draw(values(kind))
    message = to(value)
    crossed = back(type(message).FromString(message.SerializeToString()))
    for field in dataclasses.fields(kind):
        assert getattr(crossed, field.name) == getattr(value, field.name), field.name


def test_every_message_of_the_wire_is_in_this_test() -> None:
    kinds = {
        value
        for module in (messages, messages_control, messages_neighbours)
        for name in module.__all__
        if dataclasses.is_dataclass(value := getattr(module, name)) and isinstance(value, type)
    }
    assert kinds == {*CROSSINGS, *PARTS} - {Frame, PipelineIdentity, Start}


def test_every_field_of_the_wire_is_filled() -> None:
    """A field of the .proto that no conversion writes would stay at its default for ever."""
    examples: dict[type, Any] = {
        str: "x",
        int: 3,
        float: 0.5,
        bool: True,
        bytes: b"x",
        int | None: 3,
        str | None: "x",
        messages.Reuse: "exact",
        tuple[tuple[str, int], ...]: (("x", 3),),
        tuple[tuple[str, int], ...] | None: (("x", 3),),
        tuple[messages_control.Eviction, ...]: (("x", 3),),
        tuple[float, ...]: (0.5,),
    }

    def example(kind: type) -> Any:
        hints = get_type_hints(kind)
        names = [field.name for field in dataclasses.fields(kind)]
        return kind(**{name: examples[hints[name]] for name in names})

    for kind in PARTS:
        examples[kind] = examples[kind | None] = example(kind)
    for kind in (
        messages_control.CachedOutput,
        messages_control.Neighbouring,
        messages_control.PlannedStep,
    ):
        examples[tuple[kind, ...]] = (examples[kind],)
    for kind, (to, _) in CROSSINGS.items():
        message = to(example(kind))
        empty = [f.name for f in message.DESCRIPTOR.fields if f not in dict(message.ListFields())]
        assert not empty, f"{kind.__name__}: {empty}"


def test_a_payload_above_the_limit_is_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    from midstep.errors import FrameError

    monkeypatch.setattr(convert, "PAYLOAD_LIMIT", 3)
    with pytest.raises(FrameError, match="4 bytes, the limit is 3"):
        convert.answer_from(pb.OutputReply(frame=pb.Frame(payload=b"four")))
