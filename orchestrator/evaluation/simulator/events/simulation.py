"""The simulation of a scenario: a heap of events, from a user's asking to a picture."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from midstep.diffusion.factory import named_profile, paced_identity
from midstep.diffusion.paced import PACED_BYTES
from midstep.errors import ScenarioError
from midstep.scenario import Scenario
from midstep.wire.identity import OutputKey, check_prompt, shared_seed
from midstep.wire.messages import HITS, Access, CachedOutput
from midstep.workload.requests import open_workload, pause_s
from orchestrator.decision.problem import Served, slot_cost
from orchestrator.evaluation.simulator.events import refusals
from orchestrator.evaluation.simulator.events.asking import Asking, row_of
from orchestrator.evaluation.simulator.events.edge_queue import EdgeQueue, Job
from orchestrator.evaluation.simulator.events.keeper import Keeper
from orchestrator.evaluation.simulator.events.paces import Paces
from orchestrator.evaluation.simulator.events.population import population, present
from orchestrator.live.host_collector import GRACE_S
from orchestrator.live.setting import run_split_step
from orchestrator.records.rows import SlotRow

__all__ = ["Simulated", "simulate"]

RETRY_S = 1.0  # seconds that a user of closed arrivals waits after a failure
ROUNDING = 1e-6  # of a slot: an end that is nearer to a boundary is on it

Rows = list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """A simulated run: rows of requests, in the order in which they ended, and of slots, with the
    columns of a run's (docs/record.md; what a simulation has no value for is None), and each edge's
    seconds for one step of one request."""

    requests: Rows
    slots: Rows
    step_s: dict[str, float]


def simulate(scenario: Scenario) -> Simulated:
    """Simulate a scenario from its first request to its last. Raises ScenarioError for what the
    simulator does not have, PolicyFailed."""
    refusals.check(scenario)
    return _Simulation(scenario).play()


class _Edge:
    """One edge: its queue, what its policy holds, the computations in flight, and the requests that
    ended since the last slot was accounted for."""

    def __init__(self, scenario: Scenario, queue: EdgeQueue, keeper: Keeper) -> None:
        self.name = scenario.edge.name
        self.queue = queue
        self.keeper = keeper
        self.computing: dict[str, Job] = {}


class _Simulation:
    """Instants are scenario seconds; devices are numbered by their place in the population."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._slot_s = scenario.slot_seconds
        self._end_s = scenario.duration_s
        self._profile = named_profile(scenario.model)
        self._step_s = self._profile.step(1)
        self._frame_bytes = self._profile.frame_bytes or PACED_BYTES
        self._on_air = scenario.channel.frame_bytes or self._frame_bytes
        self._steps = scenario.model.steps
        self._cut = run_split_step(scenario)
        self._whole = self._cut == self._steps
        device_steps = self._steps - self._cut
        self._device_work_s = device_steps * self._step_s + self._profile.decode_s
        self._pipeline = paced_identity(scenario.model).digest()
        self._shared: dict[str, tuple[int, str]] = {}  # an edge prompt's seed and key
        self._workload = open_workload(scenario)
        self._mean_pause_s = scenario.workload.arrivals.mean_pause_s
        self._closed = scenario.workload.arrivals.closed is not None
        self._members = population(scenario)
        specs = [member.spec for member in self._members]
        self._paces = Paces(scenario, specs)
        self._link_free_s = [0.0] * len(specs)
        self._device_free_s = [0.0] * len(specs)
        self._edges = {edge.name: self._open(scenario.at(edge.name)) for edge in scenario.edges}
        self._now = 0.0
        self._events: list[tuple[float, int, Callable[[Any], None], Any]] = []
        self._order = itertools.count()
        self._unended: dict[int, Asking] = {}  # not answered yet, by identity
        self._ended: list[tuple[float, int, Asking]] = []  # a heap: by the instant of their end
        self._asks = len(specs)  # devices that will ask again
        self._requests: Rows = []
        self._slots: Rows = []

    def _open(self, scenario: Scenario) -> _Edge:
        edge = scenario.edge
        for key, most in (("capacity", edge.capacity), ("staging", edge.staging)):
            if self._frame_bytes > most:
                raise ScenarioError(
                    f"edges.N.{key} of {edge.name}: {most} bytes cannot hold one output of this "
                    f"model ({self._frame_bytes} bytes); give at least {self._frame_bytes}"
                )
        queue = EdgeQueue(self._profile, edge.max_batch, edge.queue_limit)
        return _Edge(scenario, queue, Keeper(scenario, self._frame_bytes))

    def play(self) -> Simulated:
        for device, member in enumerate(self._members):
            self._expect(device, 0, member.comes_s)
        slot = 0
        while True:
            boundary_s = (slot + 1) * self._slot_s
            self._advance(min(boundary_s, self._end_s))
            if boundary_s > self._end_s + ROUNDING * self._slot_s:  # a slot that is cut short
                break
            self._end_slot(slot)
            slot += 1
            if self._idle() or boundary_s >= self._end_s - ROUNDING * self._slot_s:
                break
        self._close(slot)
        return Simulated(
            requests=self._requests,
            slots=self._slots,
            step_s=dict.fromkeys(self._edges, self._step_s),
        )

    def _at(self, when_s: float, call: Callable[[Any], None], what: Any) -> None:
        heapq.heappush(self._events, (when_s, next(self._order), call, what))

    def _advance(self, until_s: float) -> None:
        """Let everything happen that is due before an instant."""
        events = self._events
        while events and events[0][0] < until_s:
            self._now, _, call, what = heapq.heappop(events)
            call(what)
        self._now = until_s

    def _expect(self, device: int, index: int, since_s: float) -> None:
        """Let a device ask for the `index`-th time, one pause after an instant."""
        user = self._members[device].spec.user
        pause = pause_s(self._scenario.seed, user, index, self._mean_pause_s)
        self._at(since_s + pause, self._ask, (device, index))

    def _ask(self, what: tuple[int, int]) -> None:
        """A user asks, unless it has gone, the run is over, or its prompts are at their end."""
        device, index = what
        member = self._members[device]
        now = self._now
        if now >= self._end_s or now >= member.goes_s:
            return
        wanted = self._workload.user_request(member.spec.user, index, int(now // self._slot_s))
        if wanted is None:
            self._asks -= 1
            return
        one = Asking(
            device=device,
            spec=member.spec,
            index=index,
            wanted=wanted,
            edge_prompt=wanted.prompt if self._whole else wanted.edge_prompt,
            arrived_s=now,
        )
        if not self._closed:
            self._expect(device, index + 1, now)
        self._obtain(self._edges[member.spec.edge], one)

    def _obtain(self, edge: _Edge, one: Asking) -> None:
        """At the edge: a held output at once, else a share of what is being computed, else a place
        in the queue."""
        if (why := check_prompt(one.edge_prompt)) is not None:
            self._fail(one, "rejected", why)
            return
        private = self._identify(one)
        one.step = self._cut
        if edge.keeper.holds(one.key):
            one.reuse = "final" if self._whole else "exact"
            self._answer(edge, one, private)
            return
        job = edge.computing.get(one.key)
        if job is None:
            job = Job(
                key=one.key,
                prompt=one.edge_prompt,
                private=private,
                steps=self._cut,
                queued_s=self._now,
            )
            if not edge.queue.join(job):
                limit = edge.queue.limit
                self._fail(
                    one,
                    "rejected",
                    f"the queue is full: {limit} requests wait, the limit is {limit}",
                )
                return
            edge.computing[one.key] = job
            one.reuse = "computed"
        else:
            one.reuse = "shared"
        job.waiting.append(one)
        self._unended[id(one)] = one
        self._at(self._now + self._scenario.deadline_s, self._give_up, (edge, job, one))
        if not edge.queue.ticking:
            self._begin_tick(edge)

    def _identify(self, one: Asking) -> bool:
        """Give a request its output's seed and key; whether the output is the user's own."""
        own = one.wanted.private_seed
        if self._whole and own is None:
            own = one.wanted.variation_seed
        if own is not None:
            one.seed = own
            one.key = OutputKey(self._pipeline, one.edge_prompt, own, True).digest()
            return True
        known = self._shared.get(one.edge_prompt)
        if known is None:
            seed = shared_seed(one.edge_prompt, self._scenario.seed)
            key = OutputKey(self._pipeline, one.edge_prompt, seed).digest()
            known = self._shared[one.edge_prompt] = (seed, key)
        one.seed, one.key = known
        return False

    def _begin_tick(self, edge: _Edge) -> None:
        """Begin a tick after all that happens at this very instant."""
        edge.queue.ticking = True
        self._at(self._now, self._tick, edge)

    def _tick(self, edge: _Edge) -> None:
        takes_s = edge.queue.begin(self._now)
        if takes_s is not None:
            self._at(self._now + takes_s, self._end_tick, edge)

    def _end_tick(self, edge: _Edge) -> None:
        for job in edge.queue.end():
            del edge.computing[job.key]
            if not job.private:
                edge.keeper.computed(self._output(job.key, job.prompt))
            for one in job.waiting:
                del self._unended[id(one)]
                if one.reuse == "computed":
                    one.edge_steps = self._cut
                    one.queue_s = job.started_s - job.queued_s
                self._answer(edge, one, job.private)
        self._tick(edge)

    def _give_up(self, what: tuple[_Edge, Job, Asking]) -> None:
        """The deadline: who has no output yet fails, and what nobody waits for is dropped."""
        edge, job, one = what
        if one.answered_s is not None or one.result:
            return
        del self._unended[id(one)]
        job.waiting.remove(one)
        if not job.waiting:
            edge.queue.drop(job)
            del edge.computing[job.key]
        self._fail(
            one, "failed", f"no output within the deadline of {self._scenario.deadline_s:g} s"
        )

    def _output(self, key: str, prompt: str) -> CachedOutput:
        return CachedOutput(key, prompt, self._cut, self._frame_bytes)

    def _answer(self, edge: _Edge, one: Asking, private: bool) -> None:
        """The edge hands a request's output over: the policy sees it, link and device are booked
        behind what they have to do already."""
        now = one.answered_s = self._now
        if not private:
            assert one.reuse is not None
            edge.keeper.access(
                Access(
                    request_id=f"{one.spec.user:05d}-{one.index:05d}",
                    prompt_key=one.key,
                    prompt=one.edge_prompt,
                    step=self._cut,
                    nbytes=self._frame_bytes,
                    reuse=one.reuse,
                    at_s=now,
                    edge_s=now - one.arrived_s,
                )
            )
        device = one.device
        one.on_air = self._on_air
        one.sends_s = max(now, self._link_free_s[device])
        one.sent_s = self._paces.received(device, one.sends_s, 8.0 * self._on_air)
        self._link_free_s[device] = one.sent_s
        one.computes_s = max(one.sent_s, self._device_free_s[device])
        one.ended_s = self._paces.finished(device, one.computes_s, self._device_work_s)
        self._device_free_s[device] = one.ended_s
        one.result = "done"
        self._end(one, one.ended_s, one.ended_s)

    def _fail(self, one: Asking, result: str, error: str) -> None:
        one.result = result
        one.error = error
        one.ended_s = self._now
        self._end(one, self._now, self._now + RETRY_S)

    def _end(self, one: Asking, ended_s: float, since_s: float) -> None:
        """A request ends at `ended_s`; its user thinks from `since_s` on."""
        heapq.heappush(self._ended, (ended_s, next(self._order), one))
        if self._closed:
            self._expect(one.device, one.index + 1, since_s)

    def _idle(self) -> bool:
        """Whether every list of prompts is at its end, and every request has ended."""
        return not (self._asks or self._unended or self._ended)

    def _end_slot(self, slot: int) -> None:
        """Account for a slot at every edge: the requests that ended before its end, what the policy
        made of it."""
        served = {name: list[Served]() for name in self._edges}
        until_s = (slot + 1) * self._slot_s
        while self._ended and self._ended[0][0] < until_s:
            one = heapq.heappop(self._ended)[2]
            self._requests.append(row_of(one, self._steps, self._slot_s).dict())
            if one.result == "done":
                assert one.ended_s is not None
                total_s = one.ended_s - one.arrived_s
                served[one.spec.edge].append(Served(one.key, one.reuse in HITS, total_s))
        for name, edge in self._edges.items():
            cost = slot_cost(served[name])
            row = SlotRow(
                slot=slot,
                start_s=slot * self._slot_s,
                requests=cost.requests,
                hits=cost.hits,
                misses=cost.misses,
                latency_avg_s=cost.latency_avg_s,
                system_cost_s=cost.system_cost_s,
                late_s=None,
                edge=name,
                users=present(self._members, name, min(until_s, self._end_s)),
                edge_queue=edge.queue.waiting,
                edge_in_flight=edge.queue.in_flight,
            )
            edge.keeper.end_slot(slot, served[name], row)
            self._slots.append(vars(row).copy())
        self._paces.forget(slot + 1)

    def _close(self, slot: int) -> None:
        """Nobody asks any more: what is in flight has GRACE_S to end, what has not ended then is
        cut off. The slots in which that happens are accounted for afterwards."""
        stop_s = self._now
        last_s = stop_s + GRACE_S
        self._end_s = stop_s
        while self._unended and self._events and self._events[0][0] < last_s:
            self._now, _, call, what = heapq.heappop(self._events)
            call(what)
        late = [one for ended_s, _, one in self._ended if ended_s > last_s]
        self._ended = [entry for entry in self._ended if entry[0] <= last_s]
        heapq.heapify(self._ended)
        for one in [*late, *self._unended.values()]:
            one.result = "failed"
            one.error = "it was stopped before it was finished"
            one.ended_s = last_s
            heapq.heappush(self._ended, (last_s, next(self._order), one))
        self._unended.clear()
        cut_short = stop_s > slot * self._slot_s + ROUNDING * self._slot_s
        ends_s = [ended_s for ended_s, _, _ in self._ended]
        last = int(max(ends_s) // self._slot_s) if ends_s else -1
        for number in range(slot, max(last, slot if cut_short else slot - 1) + 1):
            self._end_slot(number)
