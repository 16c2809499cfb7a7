"""Laws of arrivals: their rates, their bursts, their phase, and that nobody's draws hang on
another's."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from midstep.errors import ScenarioError
from midstep.scenario import Mmpp, Scenario
from midstep.scenario_file import parse
from midstep.workload.arrivals import ArrivalLaw, MmppLaw, open_law
from midstep.workload.load import load
from midstep.workload.requests import open_workload
from tests import paced

LAWS: dict[str, dict[str, Any]] = {
    "closed": {"think_s": 2.0},
    "poisson": {"per_user_per_minute": 12},
    "mmpp": {
        "calm_per_user_per_minute": 6,
        "burst_per_user_per_minute": 60,
        "calm_s": 20,
        "burst_s": 5,
    },
    "diurnal": {"per_user_per_minute": 12, "swing": 0.8, "period_s": 100, "peak_s": 30},
    "slotted": {"per_user": 3},
}


def scenario_of(law: str, **changes: Any) -> Scenario:
    workload = {"catalogue_size": 20, "arrivals": {law: LAWS[law]}}
    return parse(paced.tree(workload=workload, **changes))


def due(law: ArrivalLaw, user: int, until_s: float) -> list[float]:
    """The instants before `until_s` at which a user's requests are due."""
    instants: list[float] = []
    since_s = 0.0
    while True:
        arrival = law.arrival(user, len(instants), since_s)
        assert arrival is not None
        if arrival.due_s >= until_s:
            return instants
        instants.append(arrival.due_s)
        since_s = arrival.due_s


def together(law: ArrivalLaw, users: int, until_s: float) -> NDArray[np.float64]:
    return np.sort(np.concatenate([due(law, user, until_s) for user in range(users)]))


def state_at(law: MmppLaw, instant_s: float) -> int:
    """The state at an instant: 0 calm, 1 burst."""
    law.arrival(0, 0, instant_s)  # it draws its stays as far as it is asked
    return law.state(bisect_right(law._begins_s, instant_s) - 1)


@pytest.mark.parametrize(("law", "rel"), [("poisson", 0.02), ("mmpp", 0.1), ("diurnal", 0.02)])
def test_users_ask_at_the_mean_rate_that_the_scenario_says(law: str, rel: float) -> None:
    of = open_law(scenario_of(law))
    count = len(together(of, 4, 20_000))
    assert count * of.mean_pause_s / (4 * 20_000) == pytest.approx(1, rel=rel)


def test_bursts_make_counts_more_variable_than_poissons() -> None:
    """Index of dispersion of counts: variance over mean, 1 of a Poisson process."""

    def dispersion(law: str) -> float:
        instants = together(open_law(scenario_of(law)), 8, 10_000)
        counts = np.histogram(instants, bins=1000, range=(0, 10_000))[0]
        return float(counts.var() / counts.mean())

    assert 0.85 < dispersion("poisson") < 1.15
    assert dispersion("mmpp") > 8


def test_users_share_their_bursts_and_ask_at_each_states_rate() -> None:
    settings = Mmpp(**LAWS["mmpp"])
    law = MmppLaw(settings, 7)
    instants = together(law, 8, 5000)
    bursts = np.array([state_at(law, at_s) for at_s in np.arange(0, 5000, 0.1)])
    assert bursts.mean() == pytest.approx(0.2, abs=0.05)
    in_burst = np.array([state_at(law, at_s) for at_s in instants])
    for state, per_minute in ((0, 6.0), (1, 60.0)):
        seconds = float((bursts == state).sum() * 0.1)
        rate = float((in_burst == state).sum()) / 8 / seconds * 60
        assert rate == pytest.approx(per_minute, rel=0.06)


def test_who_is_silent_in_calm_asks_in_bursts_alone() -> None:
    law = MmppLaw(Mmpp(calm_per_user_per_minute=0, burst_per_user_per_minute=60), 7)
    assert {state_at(law, at_s) for at_s in together(law, 3, 2000)} == {1}


def test_a_day_has_its_peak_where_the_scenario_says_and_its_swing() -> None:
    """The first Fourier coefficient of the instants within the period."""
    instants = together(open_law(scenario_of("diurnal")), 4, 20_000)
    coefficient = np.exp(2j * np.pi * instants / 100).mean()
    assert 2 * abs(coefficient) == pytest.approx(0.8, abs=0.03)
    assert np.angle(coefficient) / (2 * np.pi) * 100 == pytest.approx(30, abs=1)


@pytest.mark.parametrize("slot_seconds", [1.0, 0.1, 0.3])
def test_slotted_requests_are_due_at_the_boundaries(slot_seconds: float) -> None:
    law = open_law(scenario_of("slotted", slot_seconds=slot_seconds))
    slots = 700
    instants = due(law, 0, (slots - 0.5) * slot_seconds)
    boundaries = [slot * slot_seconds for slot in range(slots) for _ in range(3)]
    assert instants == pytest.approx(boundaries, abs=2e-6 * slot_seconds)
    assert [int(due_s // slot_seconds) for due_s in instants[::3]] == list(range(slots))
    late = law.arrival(0, 0, 4.5 * slot_seconds)
    assert late is not None and late.due_s > 5 * slot_seconds  # after the plan that is made there


def test_a_slots_requests_of_a_user_are_for_different_prompts() -> None:
    workload = open_workload(scenario_of("slotted"))
    prompts = [workload.user_request(0, index, index // 3) for index in range(300)]
    cores = [request.edge_prompt for request in prompts if request is not None]
    assert all(len({*cores[i : i + 3]}) == 3 for i in range(0, 300, 3))
    assert len({*cores}) > 15
    few = {"catalogue_size": 2, "arrivals": {"slotted": {"per_user": 3}}}
    with pytest.raises(ScenarioError, match="3 prompts that differ are more than"):
        open_workload(parse(paced.tree(workload=few)))


@pytest.mark.parametrize("law", LAWS)
def test_no_users_arrivals_depend_on_who_is_asked_first(law: str) -> None:
    one = open_law(scenario_of(law))
    other = open_law(scenario_of(law))
    first = [due(one, user, 50) for user in range(5)]
    assert [due(other, user, 50) for user in reversed(range(5))] == first[::-1]
    if law != "slotted":
        assert len({tuple(instants) for instants in first}) == 5
        assert due(open_law(scenario_of(law, seed=8)), 0, 50) != first[0]


def test_closed_arrivals_alone_think() -> None:
    for law in LAWS:
        arrival = open_law(scenario_of(law)).arrival(0, 0, 1.0)
        assert arrival is not None and (arrival.think_s is not None) == (law == "closed")
        assert arrival.think_s is None or arrival.due_s == 1.0 + arrival.think_s


@pytest.mark.parametrize(("law", "a_minute"), [("mmpp", 16.8), ("diurnal", 12), ("slotted", 180)])
def test_the_offered_load_knows_every_law(law: str, a_minute: float) -> None:
    assert load(scenario_of(law), paced.PROFILE).requests_s == pytest.approx(4 * a_minute / 60)
