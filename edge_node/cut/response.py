"""The response that a request would have if it were cut at m: (14) with the terms that the edge
knows at that moment.

L(m) = max(w + E(k -> m) + T, backlog) + loc(m): w the wait for a place in the batch, E the ticks
from what there is at k to m at the batch size that the request makes, T the frame's time on the
link, loc the rest of the steps and the decoding on the device, which begins no earlier than its
earlier work ends. `w + E` is 0 where nothing has to be computed.
"""

from __future__ import annotations

from collections.abc import Callable

from edge_node.cut.base import Situation

__all__ = ["cheapest", "computed_steps", "edge_s", "others_step_s", "response_s", "wait_s"]


def wait_s(situation: Situation) -> float:
    """w: half of the running tick where a place is free or the request joins a trajectory, else
    the time in which those before it leave, a place at a time."""
    here = situation
    if here.in_flight_step is not None or here.queue + here.batch < here.max_batch:
        return 0.5 * here.tick_s[here.batch]
    ahead = here.queue + here.batch - here.max_batch + 1
    return ahead * here.job_steps * here.tick_s[here.max_batch] / here.max_batch


def computed_steps(situation: Situation, cut: int) -> int:
    """Steps that would have to be computed for this request and for nobody else."""
    if situation.in_flight_step is not None:
        return max(0, cut - max(situation.until, situation.held))
    return max(0, cut - situation.held)


def edge_s(situation: Situation, cut: int, wait: float) -> float:
    """w + E(k -> cut) with `wait` for w: until the edge has the output, seconds."""
    here = situation
    # who joins a trajectory waits for all of its steps, also for those that are held
    origin = here.held if here.in_flight_step is None else here.in_flight_step
    if cut <= max(origin, here.held):
        return 0.0
    begins = here.in_flight_step is None
    # before the first tick nobody is in flight yet
    batch = max(1, min(here.batch + begins, here.max_batch))
    return wait + (cut - origin) * here.tick_s[batch]


def response_s(situation: Situation, cut: int, wait: float) -> float:
    """L(cut) with `wait` for w."""
    here = situation
    ready_s = edge_s(here, cut, wait) + here.link_s
    return max(ready_s, here.backlog_s) + (here.steps - cut) * here.step_s + here.decode_s


def others_step_s(situation: Situation) -> float:
    """What one more step to be computed delays everybody else by, seconds in all: those in flight,
    whose ticks grow with the batch, and those who wait for a place."""
    here = situation
    batch = min(here.batch + 1, here.max_batch)
    grown_s = (batch - 1) * (here.tick_s[batch] - here.tick_s[batch - 1])
    return grown_s + here.queue * here.tick_s[here.max_batch] / here.max_batch


def cheapest(
    situation: Situation,
    step_price_s: float,
    device_delay_s: Callable[[float], float] = lambda work_s: 0.0,
) -> int:
    """The cut of the least L(m) + `step_price_s` for each computed step + `device_delay_s` of the
    seconds of work that are left to the device; of equals the furthest."""
    here = situation
    wait = wait_s(here)

    def cost_of(cut: int) -> float:
        work_s = (here.steps - cut) * here.step_s + here.decode_s
        price_s = step_price_s * computed_steps(here, cut) + device_delay_s(work_s)
        return response_s(here, cut, wait) + price_s

    best = max(1, here.held)
    least = cost_of(best)
    for cut in range(best + 1, here.limit + 1):
        cost_s = cost_of(cut)
        if cost_s <= least:
            best = cut
            least = cost_s
    return best
