"""A policy's updates on their way to an edge, live or simulated: two merged into one, a plan's
targets checked, and the policy named where it fails."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from midstep.errors import PolicyFailed
from midstep.wire.messages_control import CacheUpdate
from orchestrator.policies import SlotRecord

__all__ = ["check_targets", "merge", "naming"]


def merge(first: CacheUpdate, then: CacheUpdate) -> CacheUpdate:
    """Merge two updates into one with the effect of both in a row: an output that the second
    evicts, the first need not admit. The later plan's targets count."""
    evicted = set(then.evict)
    early = [name for name in first.admit if name[0] not in evicted and name not in evicted]
    admit = dict.fromkeys([*early, *then.admit])
    fresh = {*first.admit, *(key for key, _ in first.admit)}
    late = [eviction for eviction in then.evict if eviction not in fresh]
    evict = dict.fromkeys([*first.evict, *late])
    targets = first.targets if then.targets is None else then.targets
    return CacheUpdate(tuple(admit), tuple(evict), targets)


def check_targets(
    update: CacheUpdate, slot: SlotRecord, policy: str, steps: int, *known: AbstractSet[str]
) -> None:
    """Raise PolicyFailed for a plan that an edge cannot follow, which goes on with its last: a
    target outside steps 1..`steps`, or of a prompt that nobody had asked for, be it in the `slot`
    that ends or before (`known`)."""
    if update.targets is None:
        return
    available = slot.available
    new = {access.prompt_key for access in slot.accesses}
    new.update(output.prompt_key for output in (*available.store, *available.staging))
    for key, step in update.targets.steps:
        planned = f"policy {policy} planned step {step} of prompt {key[:12]}"
        if not 1 <= step <= steps:
            raise PolicyFailed(f"{planned}: the model has steps 1 to {steps}")
        if key not in new and not any(key in keys for keys in known):
            raise PolicyFailed(f"{planned}, which nobody has asked for")


@contextlib.contextmanager
def naming(policy: str) -> Iterator[None]:
    """Name the policy where it fails, with its traceback. Raises PolicyFailed."""
    try:
        yield
    except Exception as error:
        raise PolicyFailed(
            f"policy {policy} failed: {type(error).__name__}: {error}",
            traceback="".join(traceback.format_exception(error)),
        ) from error
