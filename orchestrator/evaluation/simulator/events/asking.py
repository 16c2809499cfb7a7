"""A request on its way, and its row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from edge_node.similar import Donor
from midstep.radio.fading import DeviceSpec
from midstep.telemetry.record import RequestRow
from midstep.wire.messages import Quality, Reuse
from midstep.workload.requests import UserRequest

__all__ = ["Asking", "DeviceState", "row_of"]


class DeviceState(NamedTuple):
    """What a device says of itself when it asks: R_n (bit/s), its seconds for one step, and until
    it has finished the pictures whose frames it has (s)."""

    rate_bps: float
    step_s: float
    backlog_s: float


@dataclass(slots=True, kw_only=True)
class Asking:
    """One request: what is wanted by whom, and what became of it. Instants are seconds, None where
    it did not come that far: `answered_s`, the edge has its output; `sends_s`, `sent_s`, its first
    and its last bit pass; `computes_s`, `ended_s`, its device begins and has the picture."""

    device: int  # its place among the population
    spec: DeviceSpec
    index: int
    wanted: UserRequest
    edge_prompt: str
    core_prompt: str | None  # where the edge is asked for the whole prompt instead
    reuse_class: str
    limit: int  # the reuse limit
    quality: Quality | None  # that its user wants; None: no other prompt's output serves it
    state: DeviceState
    arrived_s: float
    think_s: float | None = None  # before it, where arrivals are closed
    result: str = ""  # as long as it is on its way
    error: str | None = None
    key: str = ""
    private: bool = False  # its noise is the user's own
    seed: int | None = None
    donor: Donor | None = None  # another prompt's output that it was given, or began from
    donor_prompt: str | None = None  # None, too, where nobody is to know
    reuse: Reuse | None = None
    edge_steps: int = 0
    reused_step: int = 0  # of the held output that it began from
    step: int = 0  # at which it was handed over
    queue_s: float = 0.0
    answered_s: float | None = None
    bytes_on_air: int = 0
    sends_s: float = 0.0
    sent_s: float = 0.0
    computes_s: float = 0.0
    ended_s: float | None = None

    @property
    def request_id(self) -> str:
        return f"{self.spec.user:05d}-{self.index:05d}"


def row_of(one: Asking, steps: int, slot_s: float) -> RequestRow:
    """The row of a request that has ended; `steps` are the model's, `slot_s` a slot's seconds."""
    assert one.ended_s is not None
    ended_s = one.ended_s
    row = RequestRow(
        request_id=one.request_id,
        edge=one.spec.edge,
        user=one.spec.user,
        device_class=one.spec.kind,
        process_id=0,
        prompt=one.wanted.prompt,
        edge_prompt=one.edge_prompt,
        variation_seed=one.wanted.variation_seed,
        private_seed=one.wanted.private_seed,
        core_prompt=one.core_prompt,
        negative=one.wanted.negative or None,
        slot=int(ended_s // slot_s),
        due_s=one.arrived_s,
        arrived_s=one.arrived_s,
        arrival_late_s=0.0,
        think_s=one.think_s,
        link_wait_s=0.0,  # no link is ever down here
        result=one.result,
        error=one.error,
        reuse_class=one.reuse_class,
        reuse_limit=one.limit,
    )
    if one.answered_s is None:
        return row
    row.prompt_key = one.key
    row.seed = one.seed
    row.reuse = one.reuse
    row.similarity = 0.0 if one.reuse == "computed" else 1.0
    if one.donor is not None:
        row.similarity = one.donor.similarity
        row.likeness = one.donor.kind
        row.donor_key = one.donor.prompt_key
        row.donor_prompt = one.donor_prompt
    row.cut_step = one.step
    row.reused_step = one.reused_step
    row.edge_steps = one.edge_steps
    row.saved_steps = one.step - one.edge_steps
    row.device_steps = steps - one.step
    row.plan_wait_s = 0.0  # nobody waits for a plan at a shared edge
    row.queue_s = one.queue_s
    row.edge_s = one.answered_s - one.arrived_s - one.queue_s
    if one.sent_s > ended_s:
        return row
    row.transfer_s = one.sent_s - one.answered_s
    row.transfer_wait_s = one.sends_s - one.answered_s
    row.frame_bytes = one.bytes_on_air
    row.resent = 0
    row.link_rate_bps = 8 * one.bytes_on_air / (one.sent_s - one.sends_s)
    if one.result != "done":
        return row
    row.device_s = ended_s - one.sent_s
    row.device_wait_s = one.computes_s - one.sent_s
    row.receive_joules = one.spec.joules_per_bit * 8 * one.bytes_on_air
    row.joules = row.receive_joules + one.spec.watts * (ended_s - one.computes_s)
    row.total_s = ended_s - one.arrived_s
    row.overhead_s = 0.0
    return row
