"""A request's life by events: from its user's asking to the picture on its device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from midstep.diffusion.factory import named_profile, paced_identity
from midstep.diffusion.paced import PACED_BYTES
from midstep.errors import ScenarioError
from midstep.scenario import Scenario
from midstep.wire.identity import OutputKey, check_prompt, shared_seed
from midstep.wire.messages import Access, CachedOutput
from midstep.workload.arrivals import Arrival, due_before, next_arrival, open_law
from midstep.workload.requests import open_workload
from midstep.workload.trace import Trace
from orchestrator.evaluation.simulator.events.agenda import Agenda
from orchestrator.evaluation.simulator.events.asking import Asking
from orchestrator.evaluation.simulator.events.edge_queue import EdgeQueue, Job
from orchestrator.evaluation.simulator.events.keeper import Keeper
from orchestrator.evaluation.simulator.events.paces import Paces
from orchestrator.evaluation.simulator.events.population import Member
from orchestrator.evaluation.simulator.events.slot_book import SlotBook
from orchestrator.live.setting import asks_whole_prompt, run_split_step

__all__ = ["Edge", "Life"]

RETRY_S = 1.0  # seconds that a user of closed arrivals waits after a failure, beside its pause


class Edge(NamedTuple):
    """One edge: its queue, what its policy holds, and its computations in flight by key."""

    queue: EdgeQueue
    keeper: Keeper
    computing: dict[str, Job]


class _Deadline(NamedTuple):
    """The instant at which a request gives up what it waits for."""

    edge: Edge
    job: Job
    one: Asking


class Life:
    """Moves the requests of `members` (devices, numbered by their place there) along; what has
    ended, or will at a known instant, goes into the `book`. `trace` has the requests that the
    scenario names, if any. Instants are scenario seconds."""

    def __init__(
        self,
        scenario: Scenario,
        trace: Trace | None,
        members: Sequence[Member],
        agenda: Agenda,
        book: SlotBook,
    ) -> None:
        self._scenario = scenario
        self._members = members
        self._agenda = agenda
        self._book = book
        self._slot_s = scenario.slot_seconds
        self._profile = named_profile(scenario.model)
        self.step_s = self._profile.step(1)
        self._frame_bytes = self._profile.frame_bytes or PACED_BYTES
        self._bytes_on_air = scenario.channel.frame_bytes or self._frame_bytes
        self._cut = run_split_step(scenario)
        self._whole = asks_whole_prompt(scenario)
        steps = scenario.model.steps - self._cut
        self._device_work_s = steps * self.step_s + self._profile.decode_s
        self._pipeline = paced_identity(scenario.model).digest()
        self._shared: dict[str, tuple[int, str]] = {}  # an edge prompt's seed and key
        self._workload = open_workload(scenario, trace)
        self._law = open_law(scenario, trace)
        self._paces = Paces(scenario, [member.spec for member in members], self.step_s)
        self._link_free_s = [0.0] * len(members)
        self._device_free_s = [0.0] * len(members)
        self.edges = {edge.name: self._open(scenario.at(edge.name)) for edge in scenario.edges}
        self.waiting: dict[int, Asking] = {}  # for an output, by identity
        self._asking = len(members)  # devices whose prompts are not at their end
        self._over = False

    def _open(self, scenario: Scenario) -> Edge:
        edge = scenario.edge
        for key, most in (("capacity", edge.capacity), ("staging", edge.staging)):
            if self._frame_bytes > most:
                raise ScenarioError(
                    f"edges.N.{key} of {edge.name}: {most} bytes cannot hold one output of this "
                    f"model ({self._frame_bytes} bytes); give at least {self._frame_bytes}"
                )
        queue = EdgeQueue(self._profile, edge.max_batch, edge.queue_limit)
        return Edge(queue, Keeper(scenario, self._frame_bytes), {})

    def begin(self) -> None:
        """Let every device come."""
        for device, member in enumerate(self._members):
            self._expect(device, 0, member.comes_s)

    def stop(self) -> None:
        """Nobody asks any more."""
        self._over = True

    @property
    def idle(self) -> bool:
        """Whether all prompts of a list have been asked for, and all requests have ended."""
        return not self._asking and not self.waiting and self._book.empty

    def end_slot(self, slot: int) -> None:
        """Account for a slot that has ended."""
        self._book.end_slot(
            slot, {name: (edge.queue, edge.keeper) for name, edge in self.edges.items()}
        )
        self._paces.forget(slot + 1)

    def _expect(self, device: int, index: int, since_s: float) -> None:
        """Let a device ask for the `index`-th time when that is due, counted from an instant."""
        upcoming = next_arrival(self._law, self._members[device].spec.user, index, since_s)
        if upcoming is None:
            self._asking -= 1
            return
        index, arrival = upcoming
        if due_before(arrival, self._scenario.duration_s):
            self._agenda.enter(arrival.due_s, self._ask, (device, index, arrival))

    def _ask(self, what: tuple[int, int, Arrival]) -> None:
        """A user asks, unless it has gone, or its prompts are at their end."""
        device, index, arrival = what
        member = self._members[device]
        now = self._agenda.now
        if self._over or now >= member.goes_s:
            return
        wanted = self._workload.user_request(member.spec.user, index, int(now // self._slot_s))
        if wanted is None:
            self._asking -= 1
            return
        one = Asking(
            device=device,
            spec=member.spec,
            index=index,
            wanted=wanted,
            edge_prompt=wanted.prompt if self._whole else wanted.edge_prompt,
            core_prompt=wanted.edge_prompt if self._whole else None,
            arrived_s=now,
            think_s=arrival.think_s,
        )
        if arrival.think_s is None:
            self._expect(device, index + 1, now)
        self._obtain(self.edges[member.spec.edge], one)

    def _obtain(self, edge: Edge, one: Asking) -> None:
        """At the edge: a held output at once, else a share of what is being computed, else a place
        in the queue."""
        if (why := check_prompt(one.edge_prompt)) is not None:
            self._fail(one, "rejected", why)
            return
        self._identify(one)
        if edge.keeper.holds(one.key):
            one.reuse = "final" if self._whole else "exact"
            self._hand_over(edge, one)
            return
        job = edge.computing.get(one.key)
        one.reuse = "computed" if job is None else "shared"
        if job is None:
            job = Job(
                key=one.key,
                prompt=one.edge_prompt,
                private=one.private,
                steps=self._cut,
                queued_s=self._agenda.now,
            )
            if not edge.queue.join(job):
                limit = edge.queue.limit
                why = f"the queue is full: {limit} requests wait, the limit is {limit}"
                self._fail(one, "rejected", why)
                return
            edge.computing[one.key] = job
        job.waiting.append(one)
        self.waiting[id(one)] = one
        gives_up_s = self._agenda.now + self._scenario.deadline_s
        self._agenda.enter(gives_up_s, self._give_up, _Deadline(edge, job, one))
        if not edge.queue.ticking:
            edge.queue.ticking = True
            # after all that happens at this very instant
            self._agenda.enter(self._agenda.now, self._begin_tick, edge)

    def _identify(self, one: Asking) -> None:
        """Give a request its output's seed and key, which are the user's own where its noise is."""
        own = one.wanted.private_seed
        if self._whole and own is None:
            own = one.wanted.variation_seed
        if own is not None:
            one.private = True
            one.seed = own
            one.key = OutputKey(self._pipeline, one.edge_prompt, own, True).digest()
            return
        known = self._shared.get(one.edge_prompt)
        if known is None:
            seed = shared_seed(one.edge_prompt, self._scenario.seed)
            key = OutputKey(self._pipeline, one.edge_prompt, seed).digest()
            known = self._shared[one.edge_prompt] = (seed, key)
        one.seed, one.key = known

    def _begin_tick(self, edge: Edge) -> None:
        takes_s = edge.queue.begin(self._agenda.now)
        if takes_s is not None:
            self._agenda.enter(self._agenda.now + takes_s, self._end_tick, edge)

    def _end_tick(self, edge: Edge) -> None:
        """Hand over what is ready: to the request that it was begun for, then to those that
        joined."""
        for job in edge.queue.end():
            del edge.computing[job.key]
            if not job.private:
                edge.keeper.computed(
                    CachedOutput(job.key, job.prompt, self._cut, self._frame_bytes)
                )
            for one in job.waiting:
                del self.waiting[id(one)]
                if one.reuse == "computed":
                    one.edge_steps = self._cut
                    one.queue_s = job.started_s - job.queued_s
                self._hand_over(edge, one)
        self._begin_tick(edge)

    def _give_up(self, deadline: _Deadline) -> None:
        """Fail a request that has no output yet; what nobody waits for is dropped."""
        edge, job, one = deadline
        if self.waiting.pop(id(one), None) is None:
            return
        job.waiting.remove(one)
        if not job.waiting:
            edge.queue.drop(job)
            del edge.computing[job.key]
        limit_s = self._scenario.deadline_s
        self._fail(one, "failed", f"no output within the deadline of {limit_s:g} s")

    def _hand_over(self, edge: Edge, one: Asking) -> None:
        """The edge has a request's output: the policy sees it, link and device are booked behind
        what they have to do already."""
        now = self._agenda.now
        assert one.reuse is not None
        if not one.private:
            edge.keeper.access(
                Access(
                    request_id=one.request_id,
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
        one.step = self._cut
        one.answered_s = now
        one.bytes_on_air = self._bytes_on_air
        one.sends_s = max(now, self._link_free_s[device])
        one.sent_s = self._paces.received(device, one.sends_s, 8.0 * self._bytes_on_air)
        self._link_free_s[device] = one.sent_s
        one.computes_s = max(one.sent_s, self._device_free_s[device])
        one.ended_s = self._paces.finished(device, one.computes_s, self._device_work_s)
        self._device_free_s[device] = one.ended_s
        one.result = "done"
        self._end(one, one.ended_s)

    def _fail(self, one: Asking, result: str, error: str) -> None:
        one.result = result
        one.error = error
        one.ended_s = self._agenda.now
        self._end(one, self._agenda.now + RETRY_S)

    def _end(self, one: Asking, since_s: float) -> None:
        """A request's end is known; a user of closed arrivals thinks from `since_s` on."""
        self._book.enter(one)
        if one.think_s is not None:
            self._expect(one.device, one.index + 1, since_s)
