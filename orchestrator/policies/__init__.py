"""Policies: one file each, found by being here. Add one by adding a file with a `@policy("name")`
class, or keep it outside the package (docs/policies.md).

A file that cannot be imported breaks nothing but itself: `midstep policies` says why.
"""

from __future__ import annotations

from orchestrator.policies.base import Kind, LearnerStats, Policy, SlotRecord, policy
from orchestrator.policies.registry import (
    broken,
    check,
    chosen,
    find,
    load_file,
    loaded,
    make,
    names,
    registered,
    reload,
    resolved,
    usable,
)
from orchestrator.policies.registry.lookup import import_modules

import_modules(__name__, __path__)

__all__ = [
    "Kind",
    "LearnerStats",
    "Policy",
    "SlotRecord",
    "broken",
    "check",
    "chosen",
    "find",
    "load_file",
    "loaded",
    "make",
    "names",
    "policy",
    "registered",
    "reload",
    "resolved",
    "usable",
]
