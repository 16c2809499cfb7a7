"""What a device asks its edge for: the terms of a request, which say what its user wants and how
fast the device is now."""

from __future__ import annotations

from dataclasses import replace

from midstep.reuse.limits import ReuseLimits
from midstep.telemetry.record import RequestRow
from midstep.wire.messages import Request
from midstep.wire.start import Start
from midstep.workload.requests import UserRequest
from user_agent.attachment import Attachment
from user_agent.link import Link
from user_agent.throttle import Throttle

__all__ = ["RequestComposer"]


class RequestComposer:
    """Requests of one user, at the pace that the device's `link` and `throttle` have now.
    `whole_pictures`: the edge does all steps, so that every request wants the user's own picture
    of it, up to the last step."""

    def __init__(
        self,
        user: int,
        attachment: Attachment,
        limits: ReuseLimits,
        link: Link,
        throttle: Throttle,
        *,
        whole_pictures: bool,
    ) -> None:
        self._user = user
        self._attachment = attachment
        self._pipeline = attachment.description.pipeline.digest()
        self._limits = limits
        self._link = link
        self._throttle = throttle
        self._whole_pictures = whole_pictures

    def request(self, row: RequestRow, user_request: UserRequest, start: Start | None) -> Request:
        """The request for the output of the row's edge prompt, its limit and class entered in the
        row; with a `start` picture that leaves nothing to share, for that of the whole prompt."""
        limit = self._limit(row, user_request, start)
        sent = replace(user_request, edge_prompt=row.edge_prompt)
        row.reuse_limit = limit
        row.reuse_class = self._limits.kind(sent)
        private = user_request.private_seed
        quality = None
        if self._whole_pictures:
            if private is None:
                private = user_request.variation_seed
        elif start is None:  # no table was measured on start pictures
            quality = self._limits.quality
        return Request(
            request_id=row.request_id,
            prompt=row.edge_prompt,
            pipeline=self._pipeline,
            limit=limit,
            private_seed=private,
            user=self._user,
            rate_bps=self._link.rate_bps,
            step_s=self._throttle.step_s,
            backlog_s=self._throttle.backlog_s,
            kind=row.reuse_class,
            quality=quality,
            negative=user_request.negative,
            start=start,
        )

    def _limit(self, row: RequestRow, user_request: UserRequest, start: Start | None) -> int:
        """The reuse limit of a request. One that begins from a start picture past it can share
        nothing with other prompts: it then asks for its own in full."""
        steps = self._attachment.description.pipeline.steps
        if self._whole_pictures:
            return steps
        limit = self._limits.limit(replace(user_request, edge_prompt=row.edge_prompt))
        first = 0 if start is None else start.first_step(steps)
        if limit > first:
            return limit
        row.core_prompt = row.core
        row.edge_prompt = row.prompt
        limit = self._limits.limit(replace(user_request, edge_prompt=row.edge_prompt))
        return max(first + 1, limit)  # a variation cannot be turned in before
