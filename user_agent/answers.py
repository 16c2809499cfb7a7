"""An edge's answer: entered in its request's row, and refused where it would make another picture
than the one that was asked for."""

from __future__ import annotations

from midstep.errors import FrameError, PipelineMismatch
from midstep.reuse.classes import CLASSES, reuse_place
from midstep.telemetry.record import RequestRow
from midstep.wire.frame import Frame
from midstep.wire.identity import OutputKey, mixed_key
from midstep.wire.messages import Answer, Description, Quality, Request
from user_agent.finished import PictureCheck

__all__ = ["enter_answer", "picture_check"]


def enter_answer(
    row: RequestRow, request: Request, answer: Answer, edge: Description, *, donors: bool
) -> None:
    """Enter an edge's answer in its request's row. `donors`: whether this device's requests may be
    served by other prompts' outputs. Raises FrameError or PipelineMismatch for an answer that would
    make another picture; what it said is in the row then, too."""
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
        _check_donor(request, answer, edge.scenario_seed, donors=donors)
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


def _check_donor(request: Request, answer: Answer, scenario_seed: int, *, donors: bool) -> None:
    """Raise PipelineMismatch for a donor that is not allowed, or not the one that it is said to
    be: it has to agree with this request in everything but its prompt and the shared seed."""
    if not donors or request.private_seed is not None or request.start is not None:
        raise PipelineMismatch(
            f"the edge gives another prompt's output, {answer.donor_key[:12]}, which this "
            f"request did not allow"
        )
    if answer.donor_prompt is None:
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
