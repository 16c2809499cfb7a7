"""An edge's answer: entered in its request's row, and refused where it would make another picture
than the one that was asked for."""

from __future__ import annotations

from typing import NamedTuple

from midstep.errors import FrameError, PipelineMismatch
from midstep.reuse.classes import CLASSES, reuse_place
from midstep.telemetry.record import RequestRow
from midstep.wire.frame import Frame
from midstep.wire.identity import OutputKey, mixed_key
from midstep.wire.messages import Answer, Description, Quality, Request
from user_agent.finished import PictureCheck

__all__ = ["Donors", "enter_answer", "picture_check"]


class Donors(NamedTuple):
    """What a device says to other prompts' outputs: whether they are `allowed` to serve its
    requests, and whether each has to come `by_name`, with its prompt, of which its key and seed are
    made."""

    allowed: bool
    by_name: bool


def enter_answer(
    row: RequestRow, request: Request, answer: Answer, edge: Description, donors: Donors
) -> None:
    """Enter an edge's answer in its request's row. Raises FrameError or PipelineMismatch for an
    answer that would make another picture; what it said is in the row then, too."""
    output = OutputKey.of(
        request.pipeline,
        request.prompt,
        request.private_seed,
        edge.scenario_seed,
        request.negative,
        None if request.start is None else request.start.key,
    )
    row.seed = output.seed
    row.prompt_key = output.digest()
    row.record_answer(answer, edge.pipeline.steps)
    frame = answer.frame
    if (frame is None) != (answer.reuse == "local"):
        what = "no frame" if frame is None else "a frame"
        raise FrameError(f"the edge answers {answer.reuse} with {what}")
    if frame is None:
        if answer.seed != row.seed:
            raise PipelineMismatch(
                f"the edge gives seed {answer.seed} for {row.prompt_key[:12]}, its own is "
                f"{row.seed}"
            )
        return
    if answer.donor_key:
        _check_donor(output, request, answer, edge.scenario_seed, donors)
    _check_frame(row.prompt_key, request, answer, frame)
    if answer.donor_key:
        row.seed = answer.seed


def picture_check(row: RequestRow, answer: Answer, quality: Quality | None) -> PictureCheck | None:
    """What the edge wants to know of the picture, where it does and its user wants a `quality`."""
    if not answer.check or quality is None or answer.frame is None:
        return None
    place = reuse_place(
        answer.likeness, answer.reused_step, row.reuse_class or "", answer.frame.step
    )
    if place is None or place[0] not in CLASSES:
        return None
    return PictureCheck(*place, quality)


def _check_donor(
    own: OutputKey, request: Request, answer: Answer, scenario_seed: int, donors: Donors
) -> None:
    """Raise PipelineMismatch for a donor that is not allowed, or not the one that it is said to
    be: it has to agree with this request in everything but its prompt and the shared seed."""
    # a request without a quality says that nobody knows how far another's output would do
    alone = own.private or request.start is not None or request.quality is None
    if not donors.allowed or alone:
        raise PipelineMismatch(
            f"the edge gives another prompt's output, {answer.donor_key[:12]}, which this "
            f"request did not allow"
        )
    if answer.donor_key == own.digest():
        raise PipelineMismatch(
            f"the edge gives output {answer.donor_key[:12]} as another prompt's, and it is this "
            f"prompt's own"
        )
    if answer.donor_prompt is None:
        if donors.by_name:
            raise PipelineMismatch(
                f"the edge gives another prompt's output, {answer.donor_key[:12]}, without that "
                f"prompt, which reuse.privacy: open wants to check it by"
            )
        return
    donor = OutputKey.of(
        request.pipeline, answer.donor_prompt, None, scenario_seed, request.negative
    )
    if (donor.digest(), donor.seed) != (answer.donor_key, answer.seed):
        raise PipelineMismatch(
            f"the edge gives output {answer.donor_key[:12]} of seed {answer.seed}, that of its "
            f"prompt is {donor.digest()[:12]} of seed {donor.seed}"
        )


def _check_frame(prompt_key: str, request: Request, answer: Answer, frame: Frame) -> None:
    """Raise FrameError or PipelineMismatch for a frame that is damaged, of another output, or past
    the request's reuse limit."""
    if not answer.donor_key:
        frame.verify(request.pipeline, prompt_key)
    elif frame.step == answer.reused_step:
        frame.verify(request.pipeline, answer.donor_key)
    else:  # the edge went on from the donor's output with this prompt
        mixed = mixed_key(prompt_key, answer.donor_key, answer.reused_step)
        frame.verify(request.pipeline, mixed)
    # past it the picture would be somebody else's, undamaged as it is
    if frame.step > request.limit:
        raise PipelineMismatch(
            f"the frame is at step {frame.step}, the request's reuse limit is {request.limit}"
        )
