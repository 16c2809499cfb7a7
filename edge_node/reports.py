"""What devices say of themselves in their requests: checked, and as a slot's planner sees it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from midstep.reuse.limits import CORE, KINDS
from midstep.reuse.table import METRICS
from midstep.wire.messages import Quality, Request
from midstep.wire.messages_control import Demand

__all__ = ["PLAUSIBLE", "demand_of", "plausible"]

# what a device may say of itself; what is outside counts as not said, as rules and policies keep
# means over devices, in which one that lies would weigh for all
PLAUSIBLE = {"rate_bps": (1.0, 1e12), "step_s": (1e-9, 3600.0), "backlog_s": (0.0, 86_400.0)}


def plausible(request: Request) -> Request:
    """The request, with 0 for what its device cannot be, and without a class or a quality that
    there is not."""
    odd: dict[str, Any] = {
        name: 0.0
        for name, (least, most) in PLAUSIBLE.items()
        if not least <= getattr(request, name) <= most
    }
    if request.kind not in (CORE, *KINDS):
        odd["kind"] = ""
    if request.quality is not None and not _exists(request.quality):
        odd["quality"] = None
    return replace(request, **odd) if odd else request


def _exists(quality: Quality) -> bool:
    """Whether a picture could have that quality."""
    return quality.metric in METRICS and math.isfinite(quality.floor) and 0 < quality.share < 1


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
