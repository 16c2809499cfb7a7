from dataclasses import fields

import pytest

from midstep.wire.identity import OutputKey, PipelineIdentity, check_prompt, digest, shared_seed
from tests import paced

OTHER = dict(
    revision="x",
    scheduler="x",
    scheduler_config="x",
    steps=11,
    guidance=2.5,
    height=32,
    width=32,
    dtype="float16",
)


@pytest.mark.parametrize("field", [f.name for f in fields(PipelineIdentity) if f.name != "model"])
def test_every_part_of_the_pipeline_is_in_its_digest(field: str) -> None:
    assert paced.identity().digest() != paced.identity(**{field: OTHER[field]}).digest()


def test_the_models_name_is_not_its_revision_is() -> None:
    assert paced.identity(model="a").digest() == paced.identity(model="b").digest()


def test_a_difference_is_told_and_only_the_dtype_may_differ() -> None:
    assert paced.identity().difference(paced.identity(steps=12)) == "steps is 12 there and 10 here"
    assert paced.identity().difference(paced.identity(dtype="float16", model="elsewhere")) is None


def test_keys_differ_by_pipeline_prompt_seed_and_privacy() -> None:
    base = OutputKey("p", "a panda", 1)
    others = [
        OutputKey("q", "a panda", 1),
        OutputKey("p", "a pand", 1),
        OutputKey("p", "a panda", 2),
        OutputKey("p", "a panda", 1, negative="fur"),
        OutputKey("p", "a panda", 1, private=True, negative="fur"),
    ]
    digests = {key.digest() for key in [base, *others, OutputKey("p", "a panda", 1, private=True)]}
    assert len(digests) == 7


def test_a_key_without_a_negative_prompt_is_what_it_was_before_there_were_any() -> None:
    assert OutputKey("p", "a panda", 1, negative="").digest() == digest(["p", "a panda", 1, False])


def test_a_request_gets_the_shared_output_unless_it_names_a_seed_of_its_own() -> None:
    shared = OutputKey.of("p", "a panda", None, 7)
    assert shared == OutputKey("p", "a panda", shared_seed("a panda", 7))
    own = OutputKey.of("p", "a panda", shared.seed, 7)  # by chance the seed that others share
    assert own == OutputKey("p", "a panda", shared.seed, private=True)
    assert own.digest() != shared.digest()
    assert OutputKey.of("p", "a panda", 0, 7).private  # 0 is a seed


def test_the_shared_seed_is_of_prompt_and_scenario_alone() -> None:
    assert shared_seed("a panda", 7) == shared_seed("a panda", 7)
    assert (
        len({shared_seed("a panda", 7), shared_seed("a panda", 8), shared_seed("a pandb", 7)}) == 3
    )
    assert 0 <= shared_seed("\ud800 half a surrogate", 7) < 2**53


@pytest.mark.parametrize(
    ("prompt", "why"), [("", "empty"), ("  \n", "empty"), ("x" * 2001, "2001 characters")]
)
def test_prompts_that_cannot_be_served(prompt: str, why: str) -> None:
    assert why in (check_prompt(prompt) or "")
    assert check_prompt("x" * 2000) is None
