"""The one policy interface: the same object drives the emulation and the simulator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeVar

from midstep.errors import ScenarioError
from midstep.wire import Access, Contents, Edit, Held
from orchestrator.problem import Problem, SlotCost


@dataclass(frozen=True)
class SlotRecord:
    """A slot as a planner sees it when it ends: its accesses in order, what it cost, Q, and what may be named."""

    slot: int
    accesses: tuple[Access, ...]
    cost: SlotCost
    queue_s: float
    available: Contents


@dataclass(frozen=True)
class LearnerStats:
    """What a learner says of its training: mean loss, the number of candidates K, updates done."""

    loss: float
    k: int
    updates: int


class Policy:
    """Decides what the edge keeps. Subclass, override what you need, and put `@policy("name")` above the class.

    `stores` says what is cached: "intermediate" outputs at the split step, shared by the edge prompt, or "final"
    pictures, computed whole on the edge and keyed by the user's own prompt.
    """

    name: ClassVar[str] = ""
    stores: ClassVar[Literal["intermediate", "final"]] = "intermediate"
    modes: ClassVar[frozenset[str]] = frozenset({"reactive", "proactive", "access"})

    def reset(self, problem: Problem, seed: int) -> None:
        """A new run of `problem` begins; forget everything."""

    def on_access(self, access: Access) -> Edit:
        """A request was served; rules such as LRU act here, at once. What was computed waits in staging."""
        return Edit()

    def plan(self, slot: SlotRecord) -> Edit:
        """The slot has ended; planners act here."""
        return Edit()

    def learn(self) -> LearnerStats | None:
        """Train; called off the decision path."""
        return None

    def reconcile(self, held: Sequence[Held]) -> None:
        """What the store really holds, after an edit was not carried out as asked."""

    def state_dict(self) -> dict[str, Any]:
        """What load_state_dict needs to go on."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where state_dict was taken."""


P = TypeVar("P", bound=type[Policy])
_REGISTRY: dict[str, type[Policy]] = {}


def policy(name: str) -> Callable[[P], P]:
    """Register a policy under the name that scenarios and `--policy` use."""

    def register(cls: P) -> P:
        if name in _REGISTRY:
            raise ValueError(f"two policies are called {name}: {_REGISTRY[name].__qualname__} and {cls.__qualname__}")
        cls.name = name
        _REGISTRY[name] = cls
        return cls

    return register


def names() -> list[str]:
    """All registered policies."""
    return sorted(_REGISTRY)


def find(name: str) -> type[Policy]:
    """The class of that name. Raises ScenarioError that lists what there is."""
    if name not in _REGISTRY:
        raise ScenarioError(f"policy.name: no policy {name!r}; there is {', '.join(names())}")
    return _REGISTRY[name]
