"""What `midstep policies` prints: every policy, where it can be used, and what it is in one
sentence."""

from __future__ import annotations

import re
import sys

from orchestrator.policies.base import Policy
from orchestrator.policies.registry.lookup import broken, find, names
from orchestrator.policies.registry.needs import PLACES, usable_in

__all__ = ["listing"]

# a scenario is simulated with the policies that run live; what only `simulate` has is its presets
HEADS = {"live": "live", "simulate": "presets", "replay": "replay"}


def listing() -> list[str]:
    """The lines: a heading, one for each policy, and one for each that is broken."""
    heads = "".join(f"{HEADS[place]:10}" for place in PLACES)
    lines = [f"{'policy':14}{heads}what it is"]
    for name in names():
        cls = find(name)
        marks = "".join(f"{'yes' if usable_in(cls, place) else '-':10}" for place in PLACES)
        lines.append(f"{name:14}{marks}{sentence(cls)}")
    return lines + [f"broken: {part}: {reason}" for part, reason in sorted(broken().items())]


def sentence(cls: type[Policy]) -> str:
    """The first sentence of what a policy's module says of itself, or else its class, on one
    line."""
    text = sys.modules[cls.__module__].__doc__ or cls.__doc__ or ""
    paragraph = " ".join(text.strip().partition("\n\n")[0].split())
    return re.split(r"(?<=[.!?])\s", paragraph)[0]
