"""Policies: one file each, found by being here. Add one by adding a file with a `@policy("name")`
class."""

from __future__ import annotations

import importlib
import pkgutil

from orchestrator.policies.base import LearnerStats, Policy, SlotRecord, check, find, names, policy

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["LearnerStats", "Policy", "SlotRecord", "check", "find", "names", "policy"]
