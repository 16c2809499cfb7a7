"""What the finder may find, and what it never finds."""

from __future__ import annotations

import numpy as np
import pytest

from edge_node.similar import AnyOutput, FixedThreshold, Nirvana, Ramp, SimilarRule
from midstep.reuse import index
from midstep.scenario_file import load
from midstep.wire.identity import OutputKey
from midstep.wire.messages import Quality
from midstep.workload.requests import find_catalogue
from tests.edge_node.similar.held import (
    FOX_BEACH,
    OWL_ROOM,
    PANDA_BEACH,
    PANDA_SNOW,
    PIPELINE,
    STEPS,
    WORDS,
    donor,
    entry,
    finder,
    wanted,
)


def test_the_furthest_step_within_rule_limit_and_request_limit_serves() -> None:
    held = [entry(FOX_BEACH, 6), entry(OWL_ROOM, 9), entry(PANDA_SNOW, 12)]
    find = finder(AnyOutput(STEPS, step=10), *held)
    assert donor(find, PANDA_BEACH) == (OWL_ROOM, 9)
    assert donor(find, PANDA_BEACH, limit=9) == (OWL_ROOM, 9)
    assert donor(find, PANDA_BEACH, limit=8) == (FOX_BEACH, 6)
    assert donor(find, PANDA_BEACH, limit=8, above=6) == ("", 0)
    assert donor(find, PANDA_BEACH, limit=5) == ("", 0)


def test_of_equal_steps_the_nearest_serves_then_the_smallest_key() -> None:
    find = finder(AnyOutput(STEPS), entry(OWL_ROOM), entry(FOX_BEACH), entry(PANDA_SNOW))
    assert donor(find, FOX_BEACH.replace("fox", "lion")) == (FOX_BEACH, 8)
    ties = [entry("one zebra"), entry("one walrus")]
    find = finder(AnyOutput(STEPS), *ties)
    first = min(ties, key=lambda one: one.frame.prompt_key)
    assert donor(find, "seven kites") == (first.prompt, 8)


def test_the_donor_says_how_it_is_alike() -> None:
    find = finder(AnyOutput(STEPS), entry(FOX_BEACH))
    found = find.find(wanted(find, PANDA_BEACH), WORDS.embed(PANDA_BEACH))
    assert found is not None
    assert (found.kind, found.step) == ("same scene", 8)
    assert found.similarity == pytest.approx(
        float(WORDS.embed(FOX_BEACH) @ WORDS.embed(PANDA_BEACH))
    )


def test_an_output_of_its_own_is_no_donor() -> None:
    for rule in (AnyOutput(STEPS), Nirvana(STEPS)):
        assert donor(finder(rule, entry(PANDA_BEACH)), PANDA_BEACH) == ("", 0)
    # and does not stand in the way of another prompt's
    find = finder(AnyOutput(STEPS), entry(PANDA_BEACH, 10), entry(FOX_BEACH, 9))
    assert donor(find, PANDA_BEACH) == (FOX_BEACH, 9)


def test_private_outputs_serve_nobody_and_private_requests_get_nobodys() -> None:
    private = OutputKey.of(PIPELINE, FOX_BEACH, 17, 1).digest()
    find = finder(AnyOutput(STEPS), entry(FOX_BEACH, 8, private))
    assert donor(find, PANDA_BEACH) == ("", 0)
    find = finder(AnyOutput(STEPS), entry(FOX_BEACH))
    own = OutputKey.of(PIPELINE, PANDA_BEACH, 17, 1).digest()
    assert find.find(wanted(find, PANDA_BEACH, prompt_key=own), WORDS.embed(PANDA_BEACH)) is None


def test_an_output_of_another_pipeline_serves_nobody() -> None:
    foreign = OutputKey.of("another", FOX_BEACH, None, 1).digest()
    find = finder(AnyOutput(STEPS), entry(FOX_BEACH, 8, foreign))
    assert donor(find, PANDA_BEACH) == ("", 0)


def test_who_left_is_never_found_and_who_came_is_found_at_once() -> None:
    find = finder(AnyOutput(STEPS), entry(FOX_BEACH, 6))
    assert find.store.admit(entry(FOX_BEACH, 9))  # replaces step 6
    assert donor(find, PANDA_BEACH) == (FOX_BEACH, 9)
    assert donor(find, PANDA_BEACH, limit=8) == ("", 0)
    find.store.evict(entry(FOX_BEACH).frame.prompt_key)
    assert donor(find, PANDA_BEACH) == ("", 0)


def test_a_rule_for_the_nearest_looks_at_no_other_prompt() -> None:
    near = "a small panda on a beach"
    find = finder(Nirvana(STEPS), entry(near, 19), entry(FOX_BEACH, 2))
    assert donor(find, PANDA_BEACH) == ("", 0)  # the nearest is held too far, and that is that
    steps = [entry(near, step) for step in (2, 4, 8, 19)]
    find = finder(Nirvana(STEPS), *steps, entry(PANDA_BEACH, 1), several=True)
    similarity = float(WORDS.embed(near) @ WORDS.embed(PANDA_BEACH))
    assert 0.75 < similarity < 0.85  # which is 10 steps of 50
    assert donor(find, PANDA_BEACH) == (near, 4)


def test_a_cap_by_likeness_holds_over_the_rule() -> None:
    def cap(kind: str, quality: Quality, limit: int) -> int:
        return 5 if kind == "same scene" else limit

    find = finder(AnyOutput(STEPS), entry(FOX_BEACH, 8), entry(OWL_ROOM, 6), cap=cap)
    assert donor(find, PANDA_BEACH) == (OWL_ROOM, 6)


def test_a_threshold_is_a_threshold() -> None:
    similarity = float(WORDS.embed(FOX_BEACH) @ WORDS.embed(PANDA_BEACH))
    for threshold, serves in ((similarity - 0.01, True), (similarity + 0.01, False)):
        find = finder(FixedThreshold(STEPS, threshold=threshold), entry(FOX_BEACH))
        assert (donor(find, PANDA_BEACH) == (FOX_BEACH, 8)) is serves


RULES = (
    AnyOutput(STEPS, step=9),
    FixedThreshold(STEPS, threshold=0.3, step=12),
    Nirvana(STEPS),
    Ramp(STEPS, threshold=0.2),
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
@pytest.mark.parametrize("group", [1, 5, 4096])
def test_what_is_found_is_what_the_definition_says(
    rule: SimilarRule, group: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "GROUP", group)  # as many rows as are looked at a time
    random = np.random.default_rng(7)
    catalogue = find_catalogue(load("laptop"))
    prompts = [catalogue.prompt(edge) for edge in catalogue.edges[:25]] + ["a castle", "a tower"]
    held = [entry(p, int(step)) for p in prompts for step in random.integers(1, 15, 2)]
    find = finder(rule, *held, several=True)
    everything = {(e.frame.prompt_key, e.frame.step): e for e in held}
    for prompt in [*prompts[::5], "a tower", "two towers", OWL_ROOM]:
        for limit, above in ((13, 0), (13, 8), (6, 3)):
            request = wanted(find, prompt, limit)
            vector = WORDS.embed(prompt)
            beside = find.store.nearest(vector, request.parts)
            assert set(beside.names) == set(everything)
            others = [
                (step, float(similarity), name)
                for name, similarity, step, most in zip(
                    beside.names,
                    beside.similarity,
                    beside.step.tolist(),
                    rule.limits(request, beside).tolist(),
                    strict=True,
                )
                if name[0] != request.prompt_key and above < step <= most
            ]
            if rule.nearest_only:
                nearest = find.store.nearest_prompt(vector, request.parts, request.prompt_key)
                near = nearest.names[0][0]
                apart = [name[0] != request.prompt_key for name in beside.names]
                most = beside.similarity[apart].max()
                assert nearest.similarity.max() == pytest.approx(most, abs=1e-6)
                others = [one for one in others if one[2][0] == near]
            found = find.find(request, vector, above)
            if not others:
                assert found is None
                continue
            assert found is not None
            furthest = max(step for step, _, _ in others)
            best = max(similarity for step, similarity, _ in others if step == furthest)
            assert found.step == furthest
            assert found.similarity == pytest.approx(best, abs=1e-6)
            assert found.entry is everything[found.prompt_key, found.step]
