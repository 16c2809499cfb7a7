"""Arrivals in words, as reports, tables and pages name them."""

from __future__ import annotations

from midstep.scenario import Arrivals

__all__ = ["arrival_model", "arrivals_with_keys"]


def arrival_model(arrivals: Arrivals) -> str:
    """The model, and what it means where policies are compared. A scenario with a trace is to be
    the one that the trace has been read for (midstep.workload.requests.with_requests)."""
    if arrivals.waits:
        return f"{_model(arrivals)}; policies meet other requests"
    return f"{_model(arrivals)}; every policy meets the same requests"


def arrivals_with_keys(arrivals: Arrivals, keys: str) -> str:
    """The model with its keys, and from when on a response counts."""
    if arrivals.recorded is not None and arrivals.waits:
        return _model(arrivals)
    if arrivals.waits:
        return f"{_model(arrivals)} ({keys})"
    return f"{_model(arrivals)} ({keys}); a response counts from when the request was due"


def _model(arrivals: Arrivals) -> str:
    if arrivals.recorded is not None and arrivals.waits:
        return "recorded: a closed replay by the recorded think times"
    if arrivals.waits:
        return "closed: who has its picture thinks, then asks again"
    return f"open, {arrivals.law}"
