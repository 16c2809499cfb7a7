"""The one policy interface: the same object drives the emulation and the simulator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeVar

from midstep.errors import ScenarioError
from midstep.wire.messages import Access, CachedOutput, CacheSnapshot, CacheUpdate
from orchestrator.decision.problem import Prices, Problem, SlotCost


@dataclass(frozen=True)
class SlotRecord:
    """A slot as a planner sees it when it ends: its accesses in order, what it cost, Q, and what
    may be named.

    In `reactive` mode it is seen before it is served: `prices` says what each choice would cost,
    `cost` is empty.
    """

    slot: int
    accesses: tuple[Access, ...]
    cost: SlotCost
    queue_s: float
    available: CacheSnapshot
    prices: Prices | None = None


@dataclass(frozen=True)
class LearnerStats:
    """What a learner says of its training: mean loss, the number of candidates K, updates done."""

    loss: float
    k: int
    updates: int


class Policy:
    """Decides what the edge keeps. Subclass, override what you need, and put `@policy("name")`
    above the class.

    `stores` says what is cached: "intermediate" outputs at the split step, shared by the edge
    prompt, or "final" pictures, computed whole on the edge and keyed by the user's own prompt.
    """

    name: ClassVar[str] = ""
    stores: ClassVar[Literal["intermediate", "final"]] = "intermediate"
    modes: ClassVar[frozenset[str]] = frozenset({"reactive", "proactive", "access"})
    needs: ClassVar[frozenset[str]] = frozenset()  # of: closed, parts, truth, future, coupled
    most_steps: ClassVar[int] = 1000  # the last step that it can name

    def reset(self, problem: Problem, seed: int) -> None:
        """A new run of `problem` begins; forget everything."""

    def on_access(self, access: Access) -> CacheUpdate:
        """A request was served; rules such as LRU act here, at once. What was computed waits in
        staging."""
        return CacheUpdate()

    def plan(self, slot: SlotRecord) -> CacheUpdate:
        """The slot has ended; planners act here."""
        return CacheUpdate()

    def learn(self) -> LearnerStats | None:
        """Train: one short, bounded step, called once a slot after its edit has been applied; None
        where none was due.

        Runs in a thread beside the run (inline in virtual time), but never at the same time as
        another method: `plan` of the next slot waits for it. `updates` counts from the policy's
        first, across load_state_dict.
        """
        return None

    def reconcile(self, held: Sequence[CachedOutput]) -> None:
        """What the store really holds, after an edit was not carried out as asked."""

    def state_dict(self) -> dict[str, Any]:
        """What load_state_dict needs to go on: dicts, lists, tuples, numbers, texts, None, numpy
        arrays, tensors."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where state_dict was taken."""


P = TypeVar("P", bound=type[Policy])
_REGISTRY: dict[str, type[Policy]] = {}


def policy(name: str) -> Callable[[P], P]:
    """Register a policy under the name that scenarios and `--policy` use."""

    def register(cls: P) -> P:
        if name in _REGISTRY:
            raise ValueError(
                f"two policies are called {name}: {_REGISTRY[name].__qualname__} and "
                f"{cls.__qualname__}"
            )
        cls.name = name
        _REGISTRY[name] = cls
        return cls

    return register


def names() -> list[str]:
    """All registered policies."""
    return sorted(_REGISTRY)


_LACKS = {
    "closed": "a closed catalogue, and this one is open",
    "parts": "prompts whose parts are known, which this workload does not tell",
    "truth": "the true request rates, which only a simulated workload tells",
    "future": "the requests to come, which only `midstep replay` and simulations know",
    "coupled": "an edge that computes for cached prompts only (modes.edge: coupled)",
}


def check(name: str, problem: Problem) -> None:
    """Raise ScenarioError where policy `name` cannot be used on `problem`, saying what it lacks."""
    cls = find(name)
    if problem.timing not in cls.modes:
        raise ScenarioError(
            f"policy.name: {name} cannot be used {problem.timing}; it can "
            f"{', '.join(sorted(cls.modes))}"
        )
    if problem.last_step > cls.most_steps:
        raise ScenarioError(
            f"policy.name: {name} keeps outputs up to step {cls.most_steps}, here they are cut at "
            f"{problem.last_step}"
        )
    there = {
        "closed": problem.items is not None,
        "parts": problem.parts is not None,
        "truth": problem.truth is not None,
        "future": problem.future is not None,
        "coupled": problem.edge == "coupled",
    }
    for need in sorted(cls.needs):
        if not there[need]:
            raise ScenarioError(f"policy.name: {name} needs {_LACKS[need]}")


def find(name: str) -> type[Policy]:
    """The class of that name. Raises ScenarioError that lists what there is."""
    if name not in _REGISTRY:
        raise ScenarioError(f"policy.name: no policy {name!r}; there is {', '.join(names())}")
    return _REGISTRY[name]
