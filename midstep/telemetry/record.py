"""One row of requests.parquet: what became of one request. Times are scenario seconds of one clock
each."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from midstep.wire.messages import Answer

__all__ = ["BATTERY_EMPTY", "COLUMNS", "RESULTS", "STAGES", "Gallery", "RequestRow"]

RESULTS = ("done", "rejected", "failed", "unfinished", "dropped")
BATTERY_EMPTY = "its battery is empty"  # the error of a request whose device has run out
STAGES = ("uplink", "queue", "edge", "transfer", "device", "overhead", "total")


@dataclass(kw_only=True)
class RequestRow:
    """See docs/record.md for every column; null where a request did not come that far."""

    request_id: str
    edge: str
    user: int
    device_class: str
    process_id: int
    prompt: str
    edge_prompt: str
    prompt_key: str = ""
    truncated: bool | None = None
    seed: int | None = None
    variation_seed: int | None = None
    private_seed: int | None = None
    core_prompt: str | None = None  # where it is not the edge_prompt
    negative: str | None = None  # the user's negative prompt; null: none
    start_digest: str | None = None  # SHA-256 of the start picture's pixels; null: from noise alone
    strength: float | None = None  # of the start picture: the last int(strength S) steps are left
    slot: int = 0  # in which it ended
    due_s: float | None = None  # when it should have been sent
    arrived_s: float = 0.0  # when it was sent; of a dropped one when it was given up
    arrival_late_s: float | None = None  # arrived_s less due_s
    think_s: float | None = None  # before it, of a closed arrival
    result: str = "failed"  # one of RESULTS
    reuse: str | None = None
    similarity: float | None = None
    likeness: str | None = None  # in which way the donor's prompt is like its own; null: no donor
    donor_key: str | None = None  # of another prompt's output that served
    donor_prompt: str | None = None
    reuse_class: str | None = None  # what its prompt adds to the edge prompt
    reuse_limit: int | None = None  # the last step from which its own picture comes out
    cut_step: int | None = None  # at which it was handed over
    reused_step: int | None = None  # of the held output that it began from; 0: from noise
    from_edge: str | None = None  # neighbour whose store had the held output; null: none
    backhaul_s: float | None = None  # of edge_s: until that was here
    backhaul_bytes: int | None = None  # that this request brought over the backhaul
    edge_steps: int | None = None
    saved_steps: int | None = None
    device_steps: int | None = None
    uplink_s: float | None = None  # of the start picture, the wait included; null: none went up
    queue_s: float | None = None
    edge_s: float | None = None
    transfer_s: float | None = None
    device_s: float | None = None
    overhead_s: float | None = None
    plan_wait_s: float | None = None  # of overhead_s: until the slot's plan was there
    link_wait_s: float | None = None  # of overhead_s: until its link was up and it could be sent
    total_s: float | None = None  # from due_s; of a closed arrival from arrived_s
    frame_bytes: int | None = None  # on the air, once
    resent: int | None = None  # how many times the frame was sent again
    link_rate_bps: float | None = None  # commanded, mean from the frame's first bit to its last
    uplink_bytes: int | None = None
    uplink_wait_s: float | None = None  # of uplink_s: behind the device's earlier pictures
    uplink_late_s: float | None = None  # achieved minus commanded
    transfer_wait_s: float | None = None  # of transfer_s: behind the device's earlier frames
    device_wait_s: float | None = None  # of device_s: behind the device's earlier pictures
    transfer_late_s: float | None = None  # achieved minus commanded
    device_late_s: float | None = None
    psnr_db: float | None = None  # quality: against the picture without reuse, where it was made
    ssim: float | None = None
    fidelity: float | None = None  # 1: the picture shows what its prompt says, 0: it does not
    quality_kept: float | None = None  # 1: it has the quality asked for, 0: not; where checked
    joules: float | None = None  # that its device took for it
    receive_joules: float | None = None  # of joules: for receiving, the rest is for computing
    error: str | None = None

    def record_answer(self, answer: Answer, steps: int) -> None:
        """Fill in what the edge reports; the device is to do the rest of the model's `steps`, all
        of them where there is no frame."""
        cut = 0 if answer.frame is None else answer.frame.step
        self.truncated = answer.truncated or None  # of the edge prompt: the device's own is to come
        self.reuse = answer.reuse
        self.similarity = answer.similarity
        self.likeness = answer.likeness or None
        self.donor_key = answer.donor_key or None
        self.donor_prompt = answer.donor_prompt
        self.cut_step = cut
        self.reused_step = answer.reused_step
        self.from_edge = answer.from_edge or None
        self.backhaul_s = answer.backhaul_s if answer.from_edge else None
        self.backhaul_bytes = answer.backhaul_bytes if answer.from_edge else None
        self.edge_steps = answer.edge_steps
        self.saved_steps = answer.saved_steps
        self.device_steps = steps - cut
        self.queue_s = answer.queue_s
        self.edge_s = answer.edge_s
        self.plan_wait_s = answer.plan_wait_s

    @property
    def core(self) -> str:
        """What its prompt adds to: the edge prompt, unless the edge was asked for all of it."""
        return self.core_prompt or self.edge_prompt

    def dict(self) -> dict[str, Any]:
        """Column -> value."""
        return vars(self).copy()


COLUMNS = tuple(field.name for field in fields(RequestRow))


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Pictures of one request, PNG bytes: the frame as received, None where there was none, the
    result, and the same without reuse; the start picture, where it began from one."""

    request_id: str
    frame: bytes | None
    picture: bytes
    reference: bytes
    psnr_db: float
    start: bytes | None = None
