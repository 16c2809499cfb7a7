"""The parts of a run as the slot loop sees them, wherever they live: in Ray actors, or in this
process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from midstep.diffusion.pace import MachinePace
from midstep.events.changes import DeviceChange, EdgeChange
from midstep.radio.fading import DeviceSpec
from midstep.telemetry.exporter import Target
from midstep.telemetry.record import Gallery
from midstep.telemetry.ticks import Tick
from midstep.wire.messages import Description
from orchestrator.decision.problem import Served
from orchestrator.live.slot_decision import Decision
from orchestrator.records.rows import EndedRequest

__all__ = [
    "Cell",
    "Census",
    "Cluster",
    "EdgePart",
    "EdgeStatus",
    "HostPart",
    "LearnerPart",
    "Parts",
    "grouped",
    "learner_name",
]


@dataclass(frozen=True)
class EdgeStatus:
    """Load of an edge: requests in its queue and in the engine's batch; its machine against its
    profile so far, None where it does not say; the engine's ticks since the last answer, where the
    scenario records them; what a user should know, a line each; and how many answers it has
    given."""

    queue: int
    in_flight: int
    pace: MachinePace | None = None
    ticks: Sequence[Tick] = ()
    notices: Sequence[str] = ()
    answers: int = 0

    def since(self, before: MachinePace | None) -> EdgeStatus:
        """The status of an edge that has taken another's place, whose ticks count, too."""
        if self.pace is None or before is None:
            return self
        return replace(self, pace=self.pace.since(before))


@dataclass(frozen=True)
class Census:
    """Size of a Ray cluster: nodes alive, and its resources by name, all and free."""

    nodes: int
    total: Mapping[str, float]
    free: Mapping[str, float]


class EdgePart(Protocol):
    """An edge of the run. Every call raises PartDied where its process is gone."""

    name: str

    async def start(self, epoch_s: float) -> None:
        """Let the run's time begin at this Unix time."""

    async def status(self) -> EdgeStatus:
        """Its load. Raises EdgeUnreachable while it restarts."""

    async def change(self, change: EdgeChange) -> int:
        """Change it, as it is and as it will be after a restart; how many outputs have left the
        store for it. Raises EdgeUnreachable where it is to be wiped while it restarts."""

    async def restart(self, warm: bool, down_s: float) -> int:
        """End it and, `down_s` scenario seconds later, open another in its place, with an empty
        store, or `warm`; returns when that serves: how many outputs it holds. What the edge has not
        answered until then fails. Raises PartDied where it does not come back."""

    async def kill(self, hard: bool) -> None:
        """End its process: at once, or in order. Raises ScenarioError where it has none."""


class HostPart(Protocol):
    """A host of devices of the run. Every call raises PartDied where its process is gone. `devices`
    are those that live there and still ask, each its own `edge`."""

    name: str
    devices: list[DeviceSpec]

    async def start(self, epoch_s: float, since_s: float = 0.0) -> None:
        """Let the run's time begin at this Unix time, and the devices with it; their arrivals count
        from `since_s`, scenario seconds, where the host is a newcomer's."""

    async def drain(self) -> tuple[list[EndedRequest], bool]:
        """Requests that ended since the last call, and whether the host has nothing left to do."""

    async def join(self, devices: Sequence[DeviceSpec], since_s: float) -> None:
        """Let more devices live there, whose arrivals count from `since_s`, scenario seconds."""

    async def leave(self, users: Sequence[int]) -> None:
        """Let these ask no more; they are gone when their requests in flight have ended."""

    async def hand_over(self, users: Sequence[int], edge: str, address: str) -> None:
        """Let these devices ask the edge of that name, at that address, from now on. Raises
        EdgeUnreachable, PipelineMismatch, ScenarioError where they cannot, and nothing is
        changed."""

    async def change(self, change: DeviceChange, users: Sequence[int]) -> int:
        """Let a change come now to those of these devices that are still there; how many are."""

    async def in_flight(self) -> int:
        """Requests that its devices have sent and wait for."""

    async def stop(self, grace_s: float) -> None: ...
    async def gallery(self) -> list[Gallery]: ...

    async def kill(self, hard: bool) -> None:
        """End its process: at once, or in order. Raises ScenarioError where it has none."""


class LearnerPart(Protocol):
    """The learner of the run. Calls raise PartDied where its process is gone, EdgeUnreachable where
    its edge is."""

    name: str
    process_id: int

    async def begin_slot(self, slot: int, expected: int) -> None:
        """Plan the slot that begins, for `expected` requests that are to come at its start, where
        the edge is coupled. Raises PolicyFailed."""

    async def end_slot(self, slot: int, served: list[Served]) -> Decision: ...

    async def checkpoint(self, setting: Mapping[str, Any]) -> bytes:
        """Its state, from which another can go on (orchestrator.live.checkpoint), with the
        `setting` it is of (orchestrator.live.setting). Raises PolicyFailed where it has none."""

    async def refresh(self) -> None:
        """Let it look at its edge anew, which has changed without it."""

    async def pause(self, wall_s: float) -> None:
        """Let it do nothing for so long; returns then."""

    async def kill(self, hard: bool) -> None:
        """End it: at once, or in order."""


@dataclass(kw_only=True)
class Cell:
    """One edge with its learner and the hosts of its devices.

    `another` starts a learner in place of a dead one, from a saved state or from none; it is None
    where the learner shares the run's process. `host` opens one more host, not yet started; it
    raises ScenarioError where no machine has room for it. `output_bytes` is what the store counts
    for one output. `since_s` is the instant from which the arrivals of each user count that came
    later than the run, scenario seconds.
    """

    description: Description
    edge: EdgePart
    address: str
    learner: LearnerPart
    hosts: list[HostPart]
    host: Callable[[Sequence[DeviceSpec]], Coroutine[Any, Any, HostPart]]
    another: Callable[[bytes | None], Coroutine[Any, Any, LearnerPart]] | None = None
    output_bytes: int = 0
    since_s: dict[int, float] = field(default_factory=dict)
    pace: MachinePace | None = None  # as the edge last said
    parts: Parts | None = None  # among which its devices are looked for; None: its own hosts
    over: str | None = None  # why the cell has ended: how its edge, or its last host, died
    learner_pause: asyncio.Task[None] | None = None  # until it has ended nobody asks the learner

    @property
    def learner_is_paused(self) -> bool:
        return self.learner_pause is not None and not self.learner_pause.done()

    @property
    def name(self) -> str:
        return self.description.edge

    @property
    def devices(self) -> list[DeviceSpec]:
        """The devices that ask its edge, on whichever cell's host they began."""
        hosts = self.hosts if self.parts is None else self.parts.hosts
        return [spec for host in hosts for spec in host.devices if spec.edge == self.name]


@dataclass(kw_only=True)
class Parts:
    """A run's parts, started and connected: one cell for each edge, and the targets of their
    metrics."""

    cells: list[Cell]
    targets: list[Target]
    here: str = "127.0.0.1"  # this machine's address, as the other parts' machines know it
    # None where no Ray is used; raises PartDied where the cluster's head is gone
    census: Callable[[], Coroutine[Any, Any, Census]] | None = None
    # raises ScenarioError where that many more hosts do not fit; None where hosts need no resources
    check_room: Callable[[int], Awaitable[None]] | None = None
    nodes: Nodes | None = None  # None where no Ray is used
    ending: bool = False  # nobody joins any more
    expected_deaths: set[str] = field(default_factory=set)  # names of parts that an event kills

    restarted: set[str] = field(default_factory=set)  # edges, which count from 0 again

    def expects(self, name: str) -> bool:
        """Whether a death is one that an event has brought about; it is expected once."""
        if name not in self.expected_deaths:
            return False
        self.expected_deaths.remove(name)
        return True

    def __post_init__(self) -> None:
        for cell in self.cells:
            cell.parts = self

    @property
    def alive(self) -> list[Cell]:
        """Cells that have not ended."""
        return [cell for cell in self.cells if cell.over is None]

    @property
    def hosts(self) -> list[HostPart]:
        """The hosts of all cells."""
        return [host for cell in self.cells for host in cell.hosts]


class Nodes(Protocol):
    """The machines of a Ray cluster, or what stands for them, by the ids that Ray gives them. Calls
    raise ScenarioError for a node that there is not, or that cannot be killed."""

    async def names(self) -> list[str]:
        """Nodes on which parts of the run live, and that can be killed: not the cluster's head, and
        not where the run's centre lives."""

    async def parts(self, name: str) -> list[str]:
        """The parts of the run that live there."""

    async def kill(self, name: str, hard: bool) -> None:
        """End what all of Ray's processes there depend on."""


class Cluster(Protocol):
    """Starts the parts of a run and ends them."""

    async def open(self, say: Callable[[str], None]) -> Parts:
        """Start everything; `say` gets what is waited for next, a few words. Raises MidstepError,
        one line."""

    async def close(self) -> None:
        """End everything that `open` started, as far as it came."""


def learner_name(edge: str, edges: int) -> str:
    """What the learner of an edge is called, in a run of so many edges."""
    return "the learner" if edges == 1 else f"the learner of {edge}"


def grouped(
    devices: Sequence[DeviceSpec], edges: Sequence[str], per_host: int
) -> dict[str, list[list[DeviceSpec]]]:
    """Group devices by edge, then into hosts of at most `per_host`."""
    of_edge = {edge: [spec for spec in devices if spec.edge == edge] for edge in edges}
    return {
        edge: [of[i : i + per_host] for i in range(0, len(of), per_host)]
        for edge, of in of_edge.items()
    }
