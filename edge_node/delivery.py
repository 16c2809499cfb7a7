"""What a request is given, and how that was made: its answer, and what the policy sees of it."""

from __future__ import annotations

from dataclasses import dataclass

from edge_node.cache.base import Entry
from edge_node.cooperation.neighbourhood import Fetched
from edge_node.similar import Donor
from midstep.wire.frame import Frame
from midstep.wire.messages import Answer, Request, Reuse
from midstep.wire.messages_control import Access

__all__ = ["LOCAL", "Delivery"]


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """An output for one request, and how it was made; no `entry`: its device makes the whole
    picture. `first_step`: of a start picture, whose trajectory begins there. `donor`: another
    prompt's output that it is, or began from. `staged`: a held output, the donor's where there is
    one, that waits in staging all the same. `fetched`: the held output is a neighbour's."""

    entry: Entry | None
    reuse: Reuse
    first_step: int = 0
    edge_steps: int = 0
    reused_step: int = 0
    queue_s: float = 0.0
    plan_wait_s: float = 0.0
    donor: Donor | None = None
    staged: bool = False
    fetched: Fetched | None = None

    @property
    def frame(self) -> Frame | None:
        return None if self.entry is None else self.entry.frame

    @property
    def step(self) -> int:
        """Where it is handed over; 0 where there is nothing to hand over."""
        return 0 if self.entry is None else self.entry.frame.step

    @property
    def saved_steps(self) -> int:
        return self.step - self.first_step - self.edge_steps if self.step else 0

    @property
    def similarity(self) -> float:
        """1 of the same prompt's output, 0 where none was used, else the donor's."""
        if self.donor is not None:
            return self.donor.similarity
        return 0.0 if self.reuse in ("computed", "local") else 1.0

    @property
    def donor_key(self) -> str:
        """The donor's prompt_key; empty where there is none."""
        return "" if self.donor is None else self.donor.prompt_key

    @property
    def donor_prompt(self) -> str | None:
        """The donor's prompt; None where there is none."""
        if self.donor is None or self.donor.entry is None:
            return None
        return self.donor.entry.prompt

    @property
    def from_edge(self) -> str:
        """The neighbour whose output it is, or began from; empty where it is this edge's own."""
        return "" if self.fetched is None else self.fetched.edge

    @property
    def likeness(self) -> str:
        """In which way the donor's prompt is like the request's; empty where there is none."""
        return "" if self.donor is None else self.donor.kind

    def answer(self, seed: int, edge_s: float, discreet: bool) -> Answer:
        """The answer of an output of that seed, which the edge spent `edge_s` on; `discreet`: no
        device is to know another's prompt."""
        return Answer(
            frame=self.frame,
            reuse=self.reuse,
            similarity=self.similarity,
            edge_steps=self.edge_steps,
            saved_steps=self.saved_steps,
            queue_s=self.queue_s,
            edge_s=edge_s,
            seed=seed,
            truncated=self.entry is not None and self.entry.truncated,
            reused_step=self.reused_step,
            plan_wait_s=self.plan_wait_s,
            donor_key=self.donor_key,
            donor_prompt=None if discreet else self.donor_prompt,
            likeness=self.likeness,
            from_edge=self.from_edge,
            backhaul_s=0.0 if self.fetched is None else self.fetched.waited_s,
            backhaul_bytes=0 if self.fetched is None else self.fetched.nbytes,
        )

    def access(
        self, request: Request, prompt_key: str, at_s: float, edge_s: float
    ) -> Access | None:
        """What the policy sees; None of an output that is the user's own, or of none."""
        frame = self.frame
        if frame is None or request.private_seed is not None:
            return None
        nbytes = frame.nbytes
        if self.staged and self.donor is not None and self.donor.entry is not None:
            nbytes = self.donor.entry.frame.nbytes
        return Access(
            request_id=request.request_id,
            prompt_key=prompt_key,
            prompt=request.prompt,
            step=frame.step,
            nbytes=nbytes,
            reuse=self.reuse,
            at_s=at_s,
            edge_s=self.queue_s + edge_s,
            user=request.user,
            limit=request.limit,
            edge_steps=self.edge_steps,
            reused_step=self.reused_step,
            rate_bps=request.rate_bps,
            step_s=request.step_s,
            backlog_s=request.backlog_s,
            donor_key=self.donor_key,
            likeness=self.likeness,
            staged=self.staged,
            from_edge=self.from_edge,
        )


LOCAL = Delivery(entry=None, reuse="local")
