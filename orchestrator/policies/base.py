"""The one policy interface: the same object drives the emulation, the simulator and the replay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, Literal, TypeVar

from midstep.wire.messages_control import Access, CachedOutput, CacheSnapshot, CacheUpdate
from orchestrator.decision.problem import Prices, Problem, SlotCost

__all__ = ["Kind", "LearnerStats", "Policy", "SlotRecord", "policy"]


class Kind(Enum):
    """The kind of a policy decides which driver calls it (`orchestrator.policies.kinds.driver`)."""

    RULE = "eviction rule"  # acts on every access, at once
    SCORE_PLANNER = "score planner"  # keeps the best by a score at each slot's end
    PRICE_PLANNER = "price planner"  # chooses by P2's prices, for many lanes at once
    PLANNER = "planner"  # any other that plans at a slot's end

    @property
    def plans(self) -> bool:
        """Whether it is shown slots, by `plan`; rules are shown accesses, by `on_access`."""
        return self is not Kind.RULE


@dataclass(frozen=True)
class SlotRecord:
    """A slot as a planner sees it when it ends: its accesses in order, its cost, Q, and the outputs
    that a plan may name.

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
    """A learner's account of its training: mean loss, number of candidates K, updates done."""

    loss: float
    k: int
    updates: int


class Policy:
    """Decides what the edge keeps. Subclass, override what you need, and put `@policy("name")`
    above the class.

    `kind` says which of `on_access` and `plan` is called; `learns`, whether `learn` is. A class
    that overrides a method which its kind or `learns` leaves uncalled raises TypeError when it is
    defined. `stores` says what is cached: "intermediate" outputs, shared by the edge prompt,
    or "final" pictures, computed whole on the edge and keyed by the user's own prompt, or
    "nothing": then, too, the edge is asked for the user's own prompt, since nobody shares its
    output.
    `modes` are the timings, `needs` the facts without which it cannot be used: closed, parts,
    truth, future, coupled (`orchestrator.policies.registry`).
    """

    name: ClassVar[str] = ""
    kind: ClassVar[Kind] = Kind.PLANNER
    learns: ClassVar[bool] = False
    stores: ClassVar[Literal["intermediate", "final", "nothing"]] = "intermediate"
    modes: ClassVar[frozenset[str]] = frozenset({"reactive", "proactive", "access"})
    needs: ClassVar[frozenset[str]] = frozenset()
    plans_steps: ClassVar[bool] = False  # whether its plans name targets where each request is cut
    most_steps: ClassVar[int] = 1000  # the last step that it can name

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        uncalled = {
            "on_access": cls.kind.plans and "kind = Kind.RULE",
            "plan": not cls.kind.plans and "kind = Kind.PLANNER",
            "learn": not cls.learns and "learns = True",
        }
        for method, remedy in uncalled.items():
            if remedy and getattr(cls, method) is not getattr(Policy, method):
                raise TypeError(
                    f"{cls.__qualname__}.{method} would never be called: it is a "
                    f"{cls.kind.value}; say {remedy}"
                )

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
        """Train: one short, bounded step, called once a slot after its update has been applied;
        None where none was due.

        Runs in a thread beside the run (inline in virtual time), but never at the same time as
        another method: `plan` of the next slot waits for it. `updates` counts from the policy's
        first, across load_state_dict.
        """
        return None

    def reconcile(self, held: Sequence[CachedOutput]) -> None:
        """Correct the policy's view: `held` is what the store holds, after an update was not
        carried out in full."""

    def resize(self, capacity: int) -> None:
        """The store has `capacity` bytes from now on; `reconcile` says next what it then holds.
        Planners that go by `SlotRecord.available` have nothing to do."""

    def price_twin(self) -> Policy | None:
        """The planner by price that stands for this policy where a slot's prices are known before
        its plan (`reactive`); None: the policy itself plans there, too."""
        return None

    def state_dict(self) -> dict[str, Any]:
        """The state for load_state_dict: dicts, lists, tuples, numbers, texts, None, numpy
        arrays, tensors."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what state_dict returned."""


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
