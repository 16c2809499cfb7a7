"""A plan carried out on the model of the cache: never over capacity, one step a prompt, what is
wanted and not there becomes a target."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from midstep.wire.messages_control import CachedOutput, CacheSnapshot, CacheUpdate
from orchestrator.decision.cache_model import CacheModel
from orchestrator.decision.step_store import Available, StepPlan, carry_out

S = 4
KEYS = "abcdef"
OUTPUTS = st.lists(
    st.tuples(st.sampled_from(KEYS), st.integers(2, S), st.integers(5, 20)), max_size=8
)


def outputs(rows: list[tuple[str, int, int]]) -> list[CachedOutput]:
    return [CachedOutput(key, key, step, nbytes) for key, step, nbytes in rows]


def plan_of(wanted: dict[str, int], snapshot: CacheSnapshot, several: bool) -> CacheUpdate:
    flags = np.zeros((len(KEYS), S + 1), np.bool_)
    for key, step in wanted.items():
        flags[KEYS.index(key), step] = True
    available = Available.of(
        snapshot,
        np.array([KEYS.index(o.prompt_key) for o in snapshot.store], np.int64),
        np.array([KEYS.index(o.prompt_key) for o in snapshot.staging], np.int64),
    )
    gain = np.tile(np.arange(S + 1.0), (len(KEYS), 1))
    plan = StepPlan(key=KEYS.__getitem__, wanted=flags, gain_s=gain, price_s=0.1)
    return carry_out(plan, available, available.prompt, snapshot.capacity, several=several)[0]


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.tuples(OUTPUTS, st.dictionaries(st.sampled_from(KEYS), st.integers(2, S)))),
    st.booleans(),
)
def test_a_plan_is_carried_out_within_the_capacity(
    rounds: list[tuple[list[tuple[str, int, int]], dict[str, int]]], several: bool
) -> None:
    model = CacheModel(60, several)
    for fresh, wanted in rounds:
        model.stage(outputs(fresh))
        before = model.snapshot()
        update = plan_of(wanted, before, several)
        result = model.apply(update)
        model.check()
        assert (result.refused, result.evicted) == (0, len(update.evict))
        held = {(o.prompt_key, o.step) for o in model.snapshot().store}
        assert several or len({key for key, _ in held}) == len(held)
        assert update.targets is not None
        missing = dict(update.targets.steps)
        for key, step in wanted.items():
            assert (key, step) in held or missing[key] == step
        assert all((key, step) not in held for key, step in missing.items())


def test_a_worse_step_stays_until_the_better_one_is_there() -> None:
    model = CacheModel(20)
    model.hold(outputs([("a", 2, 10), ("b", 2, 10)]))
    update = plan_of({"a": 4}, model.snapshot(), False)
    assert not update.admit and not update.evict
    assert update.targets is not None and update.targets.steps == (("a", 4),)
    model.stage(outputs([("a", 4, 10), ("c", 4, 10)]))
    update = plan_of({"a": 4}, model.snapshot(), False)
    assert update.admit == (("a", 4),) and not update.evict  # c has no room: b stays
    assert update.targets is not None and update.targets.steps == ()
