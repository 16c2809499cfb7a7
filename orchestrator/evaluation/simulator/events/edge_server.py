"""A request at the edge by events: the furthest held output, the cut, a share of what is in flight
or a trajectory of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from edge_node.cut import Situation, open_rule
from midstep.diffusion.profile import StepProfile
from midstep.errors import ScenarioError
from midstep.scenario import Scenario
from midstep.wire.identity import mixed_key, shared_seed
from midstep.wire.messages_control import Access, CachedOutput
from orchestrator.evaluation.simulator.events.agenda import Agenda
from orchestrator.evaluation.simulator.events.asking import Asking
from orchestrator.evaluation.simulator.events.donors import open_donors
from orchestrator.evaluation.simulator.events.edge_queue import EdgeQueue
from orchestrator.evaluation.simulator.events.keeper import Keeper
from orchestrator.evaluation.simulator.events.lookup import Held, Lookup
from orchestrator.evaluation.simulator.events.trajectory import Passenger, Trajectory
from orchestrator.live.setting import run_split_step

__all__ = ["EdgeServer", "Ends"]


class Ends(NamedTuple):
    """Calls for what becomes of a request at an edge: its output is there; or it has none, with its
    result and why."""

    answered: Callable[[Asking], None]
    failed: Callable[[Asking, str, str], None]


class _Deadline(NamedTuple):
    """A request that waits, at the instant at which it gives up."""

    trajectory: Trajectory
    passenger: Passenger


class EdgeServer:
    """One edge: its queue, what its policy holds, its trajectories in flight. `scenario` has that
    edge alone; `frame_bytes` is an output's size, `bits_on_air` what a link has to pass. Raises
    ScenarioError."""

    def __init__(
        self,
        scenario: Scenario,
        profile: StepProfile,
        frame_bytes: int,
        bits_on_air: float,
        agenda: Agenda,
        ends: Ends,
    ) -> None:
        edge = scenario.edge
        for key, most in (("capacity", edge.capacity), ("staging", edge.staging)):
            if frame_bytes > most:
                raise ScenarioError(
                    f"edges.N.{key} of {edge.name}: {most} bytes cannot hold one output of this "
                    f"model ({frame_bytes} bytes); give at least {frame_bytes}"
                )
        self._deadline_s = scenario.deadline_s
        self._steps = scenario.model.steps
        self._split_step = run_split_step(scenario)
        self._decode_s = profile.decode_s
        self._frame_bytes = frame_bytes
        self._bits_on_air = bits_on_air
        self._agenda = agenda
        self._ends = ends
        self._rule = open_rule(scenario, self._split_step)
        self.queue = EdgeQueue(profile, edge.max_batch, edge.queue_limit)
        donors = open_donors(scenario, profile)
        self.keeper = Keeper(scenario, frame_bytes, self._rule, donors)
        self._lookup = Lookup(self.keeper, donors, self._rule)
        self._seed = scenario.seed
        self._discreet = scenario.reuse.privacy == "core"
        self._in_flight: dict[str, list[Trajectory]] = {}  # by key
        self.waiting: dict[int, Asking] = {}  # for an output, by identity

    def stop(self) -> list[Asking]:
        """The run is over: nobody waits any more. Returns those who did."""
        waiting = list(self.waiting.values())
        self.waiting.clear()
        self.queue.clear()
        return waiting

    def obtain(self, one: Asking) -> None:
        """A request has come: a held output at once, else a share of what is in flight, else a
        place in the queue."""
        held = self._lookup.held(one)
        step = held.step
        trajectory = None if one.private else self._usable(one, step)
        cut = self._rule.cut(self._situation(one, step, trajectory))
        cut = max(1, min(cut, one.limit))
        if step >= cut:
            self._hand_over(one, held)
            return
        if trajectory is not None and (leaves := trajectory.serves(cut, one.limit)) is not None:
            one.reuse = "shared"
            one.reused_step = trajectory.start
            self._join(trajectory, Passenger(one=one, cut=leaves))
            return
        self._begin(one, held, cut)

    def _hand_over(self, one: Asking, held: Held) -> None:
        """A held output as it is."""
        self._use(one, held)
        whole = self._split_step == self._steps == held.step
        one.reuse = "final" if whole else "exact"
        if held.donor is not None:
            one.reuse = "similar"
        self._answer(one, held.step)

    def _use(self, one: Asking, held: Held) -> None:
        """Note what a request is given, or goes on from. It has a donor's noise."""
        one.reused_step = held.step
        if held.donor is not None and held.output is not None:
            prompt = held.output.prompt
            one.donor = held.donor
            one.donor_prompt = None if self._discreet else prompt
            one.seed = shared_seed(prompt, self._seed)

    def _usable(self, one: Asking, held: int) -> Trajectory | None:
        """The furthest trajectory of its output that a request could join; None where a held output
        is further than any of them goes."""
        usable = [
            trajectory
            for trajectory in self._in_flight.get(one.key, ())
            if trajectory.until >= held and trajectory.gives(one.limit)
        ]
        return max(usable, key=lambda trajectory: trajectory.step, default=None)

    def _situation(self, one: Asking, held: int, trajectory: Trajectory | None) -> Situation:
        """What the cut rule is told."""
        queue = self.queue
        state = one.state
        full = queue.waiting + queue.in_flight >= queue.max_batch
        return Situation(
            prompt_key=one.key,
            limit=one.limit,
            steps=self._steps,
            held=held,
            in_flight_step=None if trajectory is None else trajectory.step,
            until=0 if trajectory is None else trajectory.until,
            queue=queue.waiting,
            batch=queue.in_flight,
            max_batch=queue.max_batch,
            tick_s=queue.tick_s,
            job_steps=self._mean_steps() if full else 0.0,
            link_s=self._bits_on_air / state.rate_bps,
            step_s=state.step_s,
            decode_s=self._decode_s / queue.tick_s[1] * state.step_s,
            backlog_s=state.backlog_s,
        )

    def _mean_steps(self) -> float:
        """The mean length of what is in flight."""
        lengths = [
            trajectory.until - trajectory.start
            for trajectories in self._in_flight.values()
            for trajectory in trajectories
        ]
        return sum(lengths) / len(lengths) if lengths else 0.0

    def _begin(self, one: Asking, held: Held, cut: int) -> None:
        """Queue a trajectory from a held output, or from noise. What comes of another prompt's is
        neither's own: nobody joins it, and nothing of it is kept."""
        now = self._agenda.now
        key = one.key
        if held.donor is not None:
            key = mixed_key(key, held.donor.prompt_key, held.step)
        original = held.donor is None and not one.private
        trajectory = Trajectory(
            output=CachedOutput(key, one.edge_prompt, held.step, self._frame_bytes),
            original=original,
            target=self._rule.targets.get(key, 0) if original else 0,
            queued_s=now,
            step=held.step,
            until=held.step,
            frozen={held.step},
        )
        if not self.queue.enter(trajectory):
            if held.step:  # no room to go on from it: it is handed over as it is
                self._hand_over(one, held)
                return
            limit = self.queue.limit
            why = f"the queue is full: {limit} requests wait, the limit is {limit}"
            self._ends.failed(one, "rejected", why)
            return
        self._use(one, held)
        one.reuse = "resumed" if held.step else "computed"
        self._in_flight.setdefault(key, []).append(trajectory)
        self._join(trajectory, Passenger(one=one, cut=cut))
        if not self.queue.ticking:
            self.queue.ticking = True
            # after all that happens at this very instant
            self._agenda.enter(now, self._begin_tick, None)

    def _join(self, trajectory: Trajectory, passenger: Passenger) -> None:
        trajectory.join(passenger)
        if passenger.cut <= trajectory.step:
            self._freeze(trajectory, passenger.cut)
            self._deliver(trajectory, passenger)
            return
        self.waiting[id(passenger.one)] = passenger.one
        gives_up_s = self._agenda.now + self._deadline_s
        self._agenda.enter(gives_up_s, self._give_up, _Deadline(trajectory, passenger))

    def _begin_tick(self, _: None) -> None:
        takes_s = self.queue.begin(self._agenda.now)
        if takes_s is not None:
            self._agenda.enter(self._agenda.now + takes_s, self._end_tick, None)

    def _end_tick(self, _: None) -> None:
        """Advance all in flight by a step, and hand over what is ready, in order."""
        ready: list[tuple[Trajectory, Passenger]] = []
        for trajectory in self.queue.end(self._agenda.now):
            leaving = trajectory.advance()
            if leaving or trajectory.step == trajectory.target:
                self._freeze(trajectory, trajectory.step)
            ready += [(trajectory, passenger) for passenger in leaving]
            if trajectory.over:
                self._forget(trajectory)
        for trajectory, passenger in ready:
            del self.waiting[id(passenger.one)]
            self._deliver(trajectory, passenger)
        self._begin_tick(None)

    def _freeze(self, trajectory: Trajectory, step: int) -> None:
        """Let the output at a step wait in staging, unless it has done so before, or is for nobody
        else."""
        if trajectory.original and step not in trajectory.frozen:
            trajectory.frozen.add(step)
            self.keeper.computed(replace(trajectory.output, step=step))

    def _give_up(self, deadline: _Deadline) -> None:
        """Fail a request that has no output yet; what nobody waits for is dropped."""
        trajectory, passenger = deadline
        if self.waiting.pop(id(passenger.one), None) is None:
            return
        trajectory.leave(passenger)
        if trajectory.over:
            self.queue.drop(trajectory)
            self._forget(trajectory)
        why = f"no output within the deadline of {self._deadline_s:g} s"
        self._ends.failed(passenger.one, "failed", why)

    def _forget(self, trajectory: Trajectory) -> None:
        """Nobody joins a trajectory any more."""
        others = self._in_flight.get(trajectory.key, [])
        if trajectory in others:
            others.remove(trajectory)
            if not others:
                del self._in_flight[trajectory.key]

    def _deliver(self, trajectory: Trajectory, passenger: Passenger) -> None:
        """Hand over what a trajectory has computed."""
        one = passenger.one
        one.edge_steps = trajectory.edge_steps(passenger)
        if one.reuse != "shared":
            assert trajectory.started_s is not None
            one.queue_s = trajectory.started_s - trajectory.queued_s
        self._answer(one, passenger.cut)

    def _answer(self, one: Asking, step: int) -> None:
        """A request has its output: the policy sees it, unless it is the user's own."""
        now = self._agenda.now
        one.step = step
        one.answered_s = now
        assert one.reuse is not None
        if not one.private:
            self.keeper.access(
                Access(
                    request_id=one.request_id,
                    prompt_key=one.key,
                    prompt=one.edge_prompt,
                    step=step,
                    nbytes=self._frame_bytes,
                    reuse=one.reuse,
                    at_s=now,
                    edge_s=now - one.arrived_s,
                    user=one.spec.user,
                    limit=one.limit,
                    edge_steps=one.edge_steps,
                    reused_step=one.reused_step,
                    rate_bps=one.state.rate_bps,
                    step_s=one.state.step_s,
                    backlog_s=one.state.backlog_s,
                    donor_key="" if one.donor is None else one.donor.prompt_key,
                    likeness="" if one.donor is None else one.donor.kind,
                )
            )
        self._ends.answered(one)
