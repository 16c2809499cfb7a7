"""What devices say of themselves in their requests: checked, and as a slot's planner sees it."""

from __future__ import annotations

from dataclasses import replace

from midstep.wire.messages import Demand, Request

__all__ = ["PLAUSIBLE", "demand_of", "plausible"]

# what a device may say of itself; what is outside counts as not said, as rules and policies keep
# means over devices, in which one that lies would weigh for all
PLAUSIBLE = {"rate_bps": (1.0, 1e12), "step_s": (1e-9, 3600.0), "backlog_s": (0.0, 86_400.0)}


def plausible(request: Request) -> Request:
    """The request, with 0 for what its device cannot be."""
    odd = {
        name: 0.0
        for name, (least, most) in PLAUSIBLE.items()
        if not least <= getattr(request, name) <= most
    }
    return replace(request, **odd) if odd else request  # type: ignore[arg-type]


def demand_of(request: Request, prompt_key: str) -> Demand:
    """A request as the one who plans its slot sees it."""
    return Demand(
        request_id=request.request_id,
        prompt_key=prompt_key,
        prompt=request.prompt,
        user=request.user,
        limit=request.limit,
        rate_bps=request.rate_bps,
        step_s=request.step_s,
    )
