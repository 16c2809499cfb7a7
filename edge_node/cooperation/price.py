"""Whether to fetch a neighbour's output or to compute: the request's response either way, and what
its computed steps delay the others by."""

from __future__ import annotations

from edge_node.cut.base import Situation
from edge_node.cut.response import computed_steps, edge_s, others_step_s, wait_s

__all__ = ["fetch_pays"]


def fetch_pays(
    situation: Situation, cut: int, step: int, ready_s: float, step_price_s: float
) -> bool:
    """Whether it costs less to have a neighbour's output at `step` in `ready_s` seconds, and to go
    on from it where the `cut` is later, than to make the one at the cut here. Each step that has to
    be computed counts what it delays the others by, at least the plan's `step_price_s` (lambda).

    A line on which the output would come later than it can be made here is too slow, and is not
    used, also where the device is at work so long that its user would not notice."""
    here = situation
    price_s = max(step_price_s, others_step_s(here))
    made_s = edge_s(here, cut, wait_s(here))
    computing_s = _response_s(here, cut, made_s) + price_s * computed_steps(here, cut)
    rest = max(0, cut - step)
    if rest:
        batch = max(1, min(here.batch + 1, here.max_batch))
        ready_s += _place_s(here) + rest * here.tick_s[batch]
    fetching_s = _response_s(here, max(cut, step), ready_s) + price_s * rest
    return ready_s <= made_s and fetching_s < computing_s


def _place_s(situation: Situation) -> float:
    """The wait for a place in the batch of one that joins nobody."""
    if situation.in_flight_step is None:
        return wait_s(situation)
    return 0.5 * situation.tick_s[situation.batch]


def _response_s(situation: Situation, cut: int, ready_s: float) -> float:
    """L of (14), where the edge has the output after `ready_s`."""
    here = situation
    on_device_s = (here.steps - cut) * here.step_s + here.decode_s
    return max(ready_s + here.link_s, here.backlog_s) + on_device_s
