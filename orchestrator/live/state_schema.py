"""What a learner's kept state has to look like before anything is restored from it: it may be
another program's, or have been edited."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["check_policy_state", "check_state"]

MOST = 2**53  # of a count
_NUMBER = "a number"
_TEXT = "a text"


def check_state(state: Mapping[str, Any]) -> None:
    """Raise ValueError where the part beside the policy's own is none that a learner keeps
    (`Learner._state`)."""
    for name in ("slot", "updates", "backlog", "policy"):
        if name not in state:
            raise ValueError(f"{name} is missing")
    if state["slot"] is not None:
        _check_count("slot", state["slot"])
    _check_count("updates", state["updates"])
    known = state.get("known", [])
    if not isinstance(known, list) or not all(isinstance(key, str) for key in known):
        raise ValueError("known is no list of prompts' keys")
    backlog = state["backlog"]
    if not isinstance(backlog, Mapping):
        raise ValueError("backlog is no tree of keys")
    if backlog.get("target_s") is not None:
        _check_seconds("backlog.target_s", backlog["target_s"])
    _check_seconds("backlog.queue_s", backlog.get("queue_s"))
    averages_s = backlog.get("seen")
    if not isinstance(averages_s, list):
        raise ValueError("backlog.seen is no list of seconds")
    for value in averages_s:
        _check_seconds("backlog.seen", value)


def check_policy_state(fresh: Any, state: Any, at: str = "policy") -> None:
    """Raise ValueError where a policy's kept state is of another kind than a fresh one's: a missing
    key, a text for a number, an array of other dimensions. Where the fresh one has None or nothing
    yet, everything fits."""
    if fresh is None or state is None:
        return
    right = _kind(fresh)
    wrong = _kind(state)
    if right != wrong:
        raise ValueError(f"{at} is {wrong}, {right} is wanted")
    if isinstance(fresh, Mapping):
        for name, value in fresh.items():
            if name not in state:
                raise ValueError(f"{at}.{str(name)[:60]} is missing")
            check_policy_state(value, state[name], f"{at}.{str(name)[:60]}")


def _check_count(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < MOST:
        raise ValueError(f"{name} is no whole number from 0 on")


def _check_seconds(name: str, value: Any) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 <= value < MOST or not math.isfinite(value):
        raise ValueError(f"{name} is no number of seconds, 0 or more")


def _kind(value: Any) -> str:
    """What a value is, in words."""
    if isinstance(value, (bool, np.bool_)):
        return "a truth value"
    if isinstance(value, (int, float, np.number)):
        return _NUMBER
    if isinstance(value, str):
        return _TEXT
    if isinstance(value, Mapping):
        return "a tree of keys"
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, np.ndarray):
        numbers = "whole numbers" if value.dtype.kind in "iub" else "numbers"
        return f"an array of {numbers} with {value.ndim} dimensions"
    return f"a {type(value).__name__}"
