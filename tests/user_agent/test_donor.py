"""A device that is handed another prompt's output: what it takes, and what it refuses."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest

from midstep.diffusion.paced import PACED_BYTES
from midstep.errors import PipelineMismatch
from midstep.scenario import Scenario
from midstep.wire.frame import Frame
from midstep.wire.identity import OutputKey, mixed_key, shared_seed
from midstep.wire.messages import Answer, Request
from orchestrator.records.steps import fault
from tests import paced
from tests.orchestrator.records.record_rows import row as record_row
from tests.user_agent.edges import QUALITY, FakeEdge, answer
from tests.user_agent.test_device import LION, one_request
from user_agent.answers import Donors, enter_answer
from user_agent.finished import Finished

TIGER = "a tiger on a pink background"


def key_of(request: Request, prompt: str) -> str:
    return OutputKey.of(request.pipeline, prompt, None, 7).digest()


def similar(request: Request, *, bears: str | None = None, step: int = 4, **changes: Any) -> Answer:
    """The tiger's output at step 4, as it is or gone on from; `bears`: the key on the frame."""
    donor_key = key_of(request, TIGER)
    if bears is None:
        mixed = mixed_key(key_of(request, request.prompt), donor_key, 4)
        bears = donor_key if step == 4 else mixed
    proper = dataclasses.replace(
        answer(request),
        frame=Frame.seal(request.pipeline, bears, step, 10, bytes(PACED_BYTES)),
        reuse="similar" if step == 4 else "resumed",
        similarity=0.5,
        edge_steps=step - 4,
        saved_steps=4,
        reused_step=4,
        seed=shared_seed(TIGER, 7),
        donor_key=donor_key,
        donor_prompt=TIGER,
        likeness="same scene",
    )
    return dataclasses.replace(proper, **changes)


def asked(
    scenario: Scenario, request: Any = LION, *, privacy: str = "open", **changes: Any
) -> tuple[Finished, Request]:
    """What becomes of a request that gets that answer, where the scenario allows donors."""

    async def reply(request: Request) -> Answer:
        return similar(request, **changes)

    rule = scenario.reuse.model_copy(update={"similar": "any", "privacy": privacy})
    edge = FakeEdge(reply)
    finished = one_request(scenario.model_copy(update={"reuse": rule}), edge, request)
    return finished, edge.requests[0]


@pytest.mark.parametrize("step", [4, 6])
def test_the_row_names_the_donor_and_its_seed(scenario: Scenario, step: int) -> None:
    finished, request = asked(scenario, step=step)
    row = finished.row
    assert (row.result, row.error) == ("done", None)
    assert (row.donor_prompt, row.likeness, row.similarity) == (TIGER, "same scene", 0.5)
    assert (row.donor_key, row.prompt_key) == (
        key_of(request, TIGER),
        key_of(request, LION.edge_prompt),
    )
    assert row.seed == shared_seed(TIGER, 7)
    assert (row.edge_steps, row.saved_steps, row.device_steps) == (step - 4, 4, 10 - step)
    assert fault(row.dict(), 10) is None
    assert (request.quality, request.kind) == (QUALITY, "words")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"donor_prompt": "a lynx"}, "that of its prompt is"),
        ({"seed": 1}, "of seed 1, that of its prompt is"),
        ({"donor_key": "0" * 32}, "that of its prompt is"),
        # with its name left out, a private output could come, or one of another negative prompt
        ({"donor_prompt": None}, "without that prompt, which reuse.privacy: open"),
        ({"bears": "1" * 32}, "the frame is of prompt 111111111111"),
        # what was gone on from is neither the donor's nor the prompt's own
        ({"step": 6, "bears": "1" * 32}, "the frame is of prompt 111111111111"),
        ({"donor_key": "", "donor_prompt": None}, "the frame is of prompt"),
    ],
)
def test_an_output_that_is_not_the_donors_is_refused(
    scenario: Scenario, changes: dict[str, Any], text: str
) -> None:
    finished, _ = asked(scenario, **changes)
    assert finished.row.result == "failed" and text in (finished.row.error or "")


def test_a_donor_that_was_not_allowed_is_refused(scenario: Scenario) -> None:
    finished, _ = asked(scenario, dataclasses.replace(LION, private_seed=3))
    assert "which this request did not allow" in (finished.row.error or "")


def test_where_no_device_is_told_anothers_prompt_the_key_alone_is_checked(
    scenario: Scenario,
) -> None:
    finished, _ = asked(scenario, privacy="core", donor_prompt=None)
    assert (finished.row.result, finished.row.donor_prompt) == ("done", None)
    another, _ = asked(scenario, privacy="core", donor_prompt=None, donor_key="0" * 32)
    assert "asked was 000000000000" in (another.row.error or "")


@pytest.mark.parametrize("privacy", ["open", "core"])
def test_a_prompts_own_output_is_no_donor(scenario: Scenario, privacy: str) -> None:
    own = OutputKey.of(paced.identity().digest(), LION.edge_prompt, None, 7)
    name = LION.edge_prompt if privacy == "open" else None
    finished, _ = asked(
        scenario,
        privacy=privacy,
        bears=own.digest(),
        donor_key=own.digest(),
        donor_prompt=name,
        seed=own.seed,
    )
    assert "it is this prompt's own" in (finished.row.error or "")


def test_a_request_that_names_no_quality_takes_no_donor(scenario: Scenario) -> None:
    """Nobody knows then how far another's output would do, and no edge looks for one."""
    key = OutputKey.of(paced.identity().digest(), LION.edge_prompt, None, 7)
    request = Request(
        request_id="r-1",
        prompt=LION.edge_prompt,
        pipeline=key.pipeline,
        limit=6,
        quality=None,
    )
    row = record_row(1)
    described = asyncio.run(FakeEdge().describe())
    allowed = Donors(allowed=True, by_name=True)
    with pytest.raises(PipelineMismatch, match="which this request did not allow"):
        enter_answer(row, request, similar(request), described, allowed)
    enter_answer(
        row, dataclasses.replace(request, quality=QUALITY), similar(request), described, allowed
    )
