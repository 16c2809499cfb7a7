"""A request's life by events: from its user's asking to the picture on its device."""

from __future__ import annotations

from collections.abc import Sequence

from midstep.diffusion.factory import named_profile, paced_identity
from midstep.diffusion.paced import PACED_BYTES
from midstep.reuse.limits import open_limits
from midstep.scenario import Scenario
from midstep.wire.identity import OutputKey, check_prompt
from midstep.workload.arrivals import Arrival, due_before, next_arrival, open_law
from midstep.workload.requests import open_workload
from midstep.workload.trace import Trace
from orchestrator.evaluation.simulator.events.agenda import Agenda
from orchestrator.evaluation.simulator.events.asking import Asking
from orchestrator.evaluation.simulator.events.devices import Devices
from orchestrator.evaluation.simulator.events.edge_server import EdgeServer, Ends
from orchestrator.evaluation.simulator.events.population import Member
from orchestrator.evaluation.simulator.events.slot_book import SlotBook
from orchestrator.live.setting import asks_whole_prompt, run_split_step

__all__ = ["Life"]

RETRY_S = 1.0  # seconds that a user of closed arrivals waits after a failure, beside its pause


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
        profile = named_profile(scenario.model)
        self.step_s = profile.step(1)
        frame_bytes = profile.frame_bytes or PACED_BYTES
        self._bytes_on_air = scenario.channel.frame_bytes or frame_bytes
        self._whole = asks_whole_prompt(scenario)
        # a whole picture has no steps left in which the device could follow its user's variation
        self._pictures = run_split_step(scenario) == scenario.model.steps
        identity = paced_identity(scenario.model)
        self._pipeline = identity.digest()
        self._limits = open_limits(scenario, identity)
        # an edge prompt's seed and key, by its negative prompt
        self._shared: dict[tuple[str, str], tuple[int, str]] = {}
        self._workload = open_workload(scenario, trace)
        self._law = open_law(scenario, trace)
        specs = [member.spec for member in members]
        self._devices = Devices(scenario, specs, profile, self._bytes_on_air)
        ends = Ends(self._answered, self._fail)
        self.edges = {
            edge.name: EdgeServer(
                scenario.at(edge.name), profile, frame_bytes, 8.0 * self._bytes_on_air, agenda, ends
            )
            for edge in scenario.edges
        }
        self._asking = len(members)  # devices whose prompts are not at their end
        self._over = False

    def begin(self) -> None:
        """Let every device come."""
        for device, member in enumerate(self._members):
            self._expect(device, 0, member.comes_s)

    def stop(self) -> None:
        """Nobody asks any more."""
        self._over = True

    def cut_off(self) -> list[Asking]:
        """Let nobody wait for an output any more; returns those who did."""
        return [one for edge in self.edges.values() for one in edge.stop()]

    @property
    def waits(self) -> bool:
        """Whether a request has no output yet."""
        return any(edge.waiting for edge in self.edges.values())

    @property
    def idle(self) -> bool:
        """Whether all prompts of a list have been asked for, and all requests have ended."""
        return not self._asking and not self.waits and self._book.empty

    def end_slot(self, slot: int) -> None:
        """Account for a slot that has ended."""
        edges = {name: (edge.queue, edge.keeper) for name, edge in self.edges.items()}
        self._book.end_slot(slot, self._agenda.now, edges)
        self._devices.forget(slot + 1)

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
        steps = self._scenario.model.steps
        sent = wanted.in_full() if self._whole else wanted
        one = Asking(
            device=device,
            spec=member.spec,
            index=index,
            wanted=wanted,
            edge_prompt=sent.edge_prompt,
            core_prompt=sent.core_prompt,
            reuse_class=self._limits.kind(sent),
            limit=steps if self._pictures else self._limits.limit(sent),
            quality=None if self._pictures else self._limits.quality,
            state=self._devices.state(device, now),
            arrived_s=now,
            think_s=arrival.think_s,
        )
        if arrival.think_s is None:
            self._expect(device, index + 1, now)
        if (why := check_prompt(one.edge_prompt, wanted.negative)) is not None:
            self._fail(one, "rejected", why)
            return
        self._identify(one)
        self.edges[member.spec.edge].obtain(one)

    def _identify(self, one: Asking) -> None:
        """Give a request its output's seed and key, which are the user's own where its noise is."""
        own = one.wanted.private_seed
        negative = one.wanted.negative
        if self._pictures and own is None:
            own = one.wanted.variation_seed
        if own is not None:
            one.private = True
            one.seed = own
            one.key = OutputKey(self._pipeline, one.edge_prompt, own, True, negative).digest()
            return
        words = one.edge_prompt, negative
        known = self._shared.get(words)
        if known is None:
            output = OutputKey.of(
                self._pipeline, one.edge_prompt, None, self._scenario.seed, negative
            )
            known = self._shared[words] = (output.seed, output.digest())
        one.seed, one.key = known

    def _answered(self, one: Asking) -> None:
        """The edge has a request's output: link and device are booked behind what they have to do
        already."""
        way = self._devices.book(one.device, self._agenda.now, one.step)
        one.bytes_on_air = self._bytes_on_air
        one.sends_s = way.sends_s
        one.sent_s = way.sent_s
        one.computes_s = way.computes_s
        one.ended_s = way.ended_s
        one.result = "done"
        self._end(one, way.ended_s)

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
