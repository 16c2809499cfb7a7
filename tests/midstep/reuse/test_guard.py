"""The guard of the promised quality, on streams of reused pictures that are as good as the shipped
model's table says, handed over where that table allows it, and where another's would."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import pytest

from midstep.reuse.evidence import BadShareTest
from midstep.reuse.guard import FALSE_ALARMS, FALSE_ALARMS_OF_FOREIGN, Guard
from midstep.reuse.likeness import LIKENESS, SAME_OBJECT, UNRELATED
from midstep.reuse.limits import BOTH, POSITION, SIZE, class_limit
from midstep.reuse.table import ReuseTable
from midstep.wire.messages import Quality

MODEL = Path(__file__).parents[3] / "midstep" / "models" / "midstep-emoji"
TABLE = ReuseTable.load(MODEL / "reuse.json")
FIDELITY = Quality(metric="fidelity", floor=1.0, share=0.95)
SSIM = Quality(metric="ssim", floor=0.9, share=0.95)
NEVER = 10**9


def limits(quality: Quality, more: int = 0) -> dict[str, int]:
    """Limits of the table, or of one that goes `more` steps beyond it."""
    own = {}
    for kind in (SIZE, POSITION, BOTH):
        limit = class_limit(TABLE, kind, (quality.metric, quality.floor), quality.share)
        assert limit is not None
        own[kind] = limit + more
    return own


def good_share(quality: Quality, kind: str, step: int) -> float:
    if step == 0:
        return 1.0
    cell = TABLE.cell(kind, quality.metric, step)
    assert cell is not None
    return cell.at_least(quality.floor) / cell.count


@dataclass
class Outcome:
    lowered_at: int = NEVER  # reuses until a ceiling was first lowered
    bad: int = 0
    checks: int = 0


def stream(quality: Quality, steps: dict[str, int], reuses: int, seed: int) -> Outcome:
    """Reuses of every class at its limit, sampled, counted and capped by a guard."""
    rng = Random(seed)
    guard = Guard(0.05)
    outcome = Outcome()
    for reuse in range(1, reuses + 1):
        kind = rng.choice(list(steps))
        step = guard.limit(kind, quality, steps[kind])
        good = rng.random() < good_share(quality, kind, step)
        outcome.bad += not good
        if rng.random() < guard.probability(kind, quality, step):
            outcome.checks += 1
            if guard.observe(kind, quality, step, good):
                outcome.lowered_at = min(outcome.lowered_at, reuse)
    return outcome


@pytest.mark.parametrize("quality", [FIDELITY, SSIM])
def test_a_right_table_is_left_alone(quality: Quality) -> None:
    outcomes = [stream(quality, limits(quality), 5000, seed) for seed in range(8)]
    assert all(outcome.lowered_at == NEVER for outcome in outcomes)
    # all of the first 73 a class, and a twentieth in the end
    assert all(3 * 73 < outcome.checks < 1500 for outcome in outcomes)


def test_a_share_that_is_just_kept_is_no_alarm() -> None:
    """At the allowed share itself: 5 % of tests may err, however long they run."""
    alarms = 0
    for seed in range(200):
        rng = Random(seed)
        test = BadShareTest(0.05, 0.05)
        for _ in range(1000):
            bad = rng.random() < 0.05
            test.count(bad)
            if bad and test.alarmed:
                alarms += 1
                break
    assert alarms <= 10


@pytest.mark.parametrize("quality", [FIDELITY, SSIM])
def test_another_models_table_is_caught_within_100_reuses(quality: Quality) -> None:
    outcomes = [stream(quality, limits(quality, more=3), 100, seed) for seed in range(40)]
    assert all(outcome.lowered_at <= 100 for outcome in outcomes)


def test_the_share_is_kept_with_another_models_table() -> None:
    outcomes = [stream(FIDELITY, limits(FIDELITY, more=4), 1000, seed) for seed in range(4)]
    assert sum(outcome.bad for outcome in outcomes) <= 0.05 * 4000
    kind, step = max(limits(FIDELITY, more=4).items(), key=lambda pair: pair[1])
    assert good_share(FIDELITY, kind, step) < 0.5  # without the guard most were bad


def lowered_after(guard: Guard, bad_share: float, seed: int) -> int:
    """Reuses, all of them checked, until a limit is lowered; 1,000: it was not."""
    draws = np.random.default_rng(seed).random(1000)
    for number, draw in enumerate(draws):
        if guard.observe(SIZE, FIDELITY, 12, good=bool(draw >= bad_share)):
            return number + 1
    return len(draws)


def test_a_foreign_tables_limits_are_lowered_on_a_suspicion() -> None:
    levels = FALSE_ALARMS, FALSE_ALARMS_OF_FOREIGN
    own, foreign = (
        [lowered_after(Guard(0.05, level), 0.2, seed) for seed in range(40)] for level in levels
    )
    assert np.mean(foreign) < 0.7 * np.mean(own)
    assert sum(number <= 100 for number in foreign) >= 36


def test_a_lowered_ceiling_comes_back_slowly() -> None:
    guard = Guard(0.05)
    for _ in range(10):
        guard.observe(SIZE, FIDELITY, 12, good=False)
    first = guard.ceiling(SIZE, FIDELITY)
    assert first == 6
    for _ in range(2 * 73 - 1):
        guard.observe(SIZE, FIDELITY, 6, good=True)
    assert guard.ceiling(SIZE, FIDELITY) == 6
    guard.observe(SIZE, FIDELITY, 6, good=True)
    assert guard.ceiling(SIZE, FIDELITY) == 7


def lowered(kind: str, step: int, guard: Guard | None = None) -> Guard:
    """A guard that bad pictures of a class at a step have made lower it."""
    guard = guard or Guard(0.05)
    while not guard.observe(kind, FIDELITY, step, good=False):
        pass
    return guard


def see(guard: Guard, kind: str, step: int, pictures: int) -> None:
    """Let it count so many good pictures."""
    for _ in range(pictures):
        guard.observe(kind, FIDELITY, step, good=True)


def test_a_ceiling_rises_by_the_furthest_pictures_that_come_below_it() -> None:
    """As where the store holds outputs of steps 4 and 10 only."""
    guard = lowered(SIZE, 10)
    assert guard.ceiling(SIZE, FIDELITY) == 5
    see(guard, SIZE, 5, 1)  # the last of its kind: what was held there is gone
    see(guard, SIZE, 4, 2 * 73 - 2)
    assert guard.ceiling(SIZE, FIDELITY) == 5
    see(guard, SIZE, 4, 1)
    assert guard.ceiling(SIZE, FIDELITY) == 6
    see(guard, SIZE, 4, 4 * 2 * 73)
    assert guard.limit(SIZE, FIDELITY, 10) == 10
    see(guard, SIZE, 4, 10_000)
    assert guard.ceiling(SIZE, FIDELITY) == 11  # no further than it was ever served, and a step


def test_a_ceiling_whose_own_pictures_are_doubtful_rises_by_none_of_earlier_steps() -> None:
    guard = lowered(SIZE, 12)
    for number in range(300):
        guard.observe(SIZE, FIDELITY, 6, good=number % 20 != 19)  # the allowed share is bad
        see(guard, SIZE, 3, 1)
    assert guard.ceiling(SIZE, FIDELITY) == 6
    see(guard, SIZE, 3, 1000)  # nothing is served at 6 any more
    assert guard.limit(SIZE, FIDELITY, 12) > 6


def test_step_1_of_a_class_that_was_refuted_there_can_prove_to_be_good() -> None:
    """The prompt's own output serves there all the same."""
    guard = lowered(SIZE, 1)
    assert guard.ceiling(SIZE, FIDELITY) == 0
    assert not any(guard.observe(SIZE, FIDELITY, 1, good=False) for _ in range(400))
    assert guard.ceiling(SIZE, FIDELITY) == 0
    assert guard.probability(SIZE, FIDELITY, 1) == 0.05  # no longer all of them
    guard = lowered(SIZE, 1)
    see(guard, SIZE, 1, 2 * 73)
    assert guard.ceiling(SIZE, FIDELITY) == 1
    lowered(SIZE, 1, guard)  # it is tested again
    see(guard, SIZE, 1, 4 * 73 - 1)
    assert guard.ceiling(SIZE, FIDELITY) == 0


def test_a_class_that_gets_no_pictures_any_more_is_tried_by_those_of_others() -> None:
    guard = lowered(UNRELATED, 1)
    lowered(SAME_OBJECT, 2, guard)
    see(guard, SIZE, 8, 2 * 73 - 1)
    assert [guard.ceiling(kind, FIDELITY) for kind in (UNRELATED, SAME_OBJECT)] == [0, 1]
    see(guard, SIZE, 8, 1)
    # one at a time, and all that comes of it is checked
    assert [guard.ceiling(kind, FIDELITY) for kind in (UNRELATED, SAME_OBJECT)] == [1, 1]
    assert guard.probability(UNRELATED, FIDELITY, 1) == 1
    lowered(UNRELATED, 1, guard)
    see(guard, SIZE, 8, 2 * 73)
    assert [guard.ceiling(kind, FIDELITY) for kind in (UNRELATED, SAME_OBJECT)] == [0, 2]
    see(guard, SIZE, 8, 4 * 73 - 1)
    assert guard.ceiling(UNRELATED, FIDELITY) == 0  # twice as many, since it was lowered twice


def test_trials_of_many_bad_classes_keep_the_share() -> None:
    """All likenesses are bad from their first step on, what an own ending adds is good."""
    guard = Guard(0.05)
    for kind in LIKENESS:
        lowered(kind, 1, guard)
    bad = 0
    for _ in range(2000):
        see(guard, SIZE, 8, 1)
        for kind in LIKENESS:
            if guard.limit(kind, FIDELITY, 9):
                bad += 1
                guard.observe(kind, FIDELITY, 1, good=False)
    assert 10 < bad < 0.05 * 2000


def test_what_was_proved_right_is_not_given_up() -> None:
    guard = Guard(0.05)
    for _ in range(100):
        guard.observe(SIZE, FIDELITY, 10, good=True)
    while not guard.observe(SIZE, FIDELITY, 12, good=False):
        assert guard.limit(SIZE, FIDELITY, 12) == 12
    assert guard.limit(SIZE, FIDELITY, 12) == 10


def test_pictures_from_before_count_no_more() -> None:
    """Those that were on their way when the ceiling was lowered do not lower it again."""
    guard = Guard(0.05)
    while not guard.observe(SIZE, FIDELITY, 12, good=False):
        pass
    assert not any(guard.observe(SIZE, FIDELITY, 12, good=False) for _ in range(50))
    assert guard.ceiling(SIZE, FIDELITY) == 6
    assert [(one.step, one.good) for one in guard.counts(FIDELITY)] == [(12, 0)]


def test_all_classes_together_are_caught_sooner_than_one() -> None:
    """A bad tenth in each of three classes: their sum has proved it when none alone has."""
    guard = Guard(0.05)
    reuses = 0
    lowered = False
    while not lowered:
        reuses += 1
        kind = (SIZE, POSITION, BOTH)[reuses % 3]
        lowered = guard.observe(kind, FIDELITY, 10, good=reuses % 7 > 0)
    assert all(guard.ceiling(kind, FIDELITY) == 5 for kind in (SIZE, POSITION, BOTH))
    alone = Guard(0.05)
    pictures = 1
    while not alone.observe(SIZE, FIDELITY, 10, good=pictures % 7 > 0):
        pictures += 1
    assert reuses < 3 * pictures


def test_qualities_are_watched_apart() -> None:
    guard = Guard(0.05)
    while not guard.observe(SIZE, SSIM, 12, good=False):
        pass
    assert guard.limit(SIZE, SSIM, 12) == 6
    assert guard.limit(SIZE, FIDELITY, 12) == 12
    assert guard.qualities == (SSIM,)


def test_checks_begin_with_all_and_fall_to_the_share() -> None:
    guard = Guard(0.05)
    assert guard.probability(SIZE, FIDELITY, 8) == 1
    for _ in range(73):
        guard.observe(SIZE, FIDELITY, 8, good=True)
    assert guard.probability(SIZE, FIDELITY, 8) == 0.5
    assert guard.probability(SIZE, FIDELITY, 7) == 0.5  # good at 8, good at 7
    assert guard.probability(SIZE, FIDELITY, 9) == 1
    for _ in range(400):
        guard.observe(SIZE, FIDELITY, 8, good=True)
    assert guard.probability(SIZE, FIDELITY, 8) == 0.05
    assert Guard(0).probability(SIZE, FIDELITY, 8) == 0
