"""Lines that a run prints beside its figures."""

from types import SimpleNamespace
from typing import Any

import pytest

from midstep.scenario_file import load
from midstep.telemetry.record import RequestRow
from orchestrator.live.announcer import start_line, store_line, truncation_line
from orchestrator.live.launch import Options, check


def row(truncated: bool | None) -> RequestRow:
    return RequestRow(
        request_id="0",
        edge="edge-0",
        user=0,
        device_class="phone",
        process_id=1,
        prompt="a panda",
        edge_prompt="a panda",
        truncated=truncated,
    )


def test_prompts_that_the_model_cannot_read_are_said_where_they_are_most() -> None:
    line = truncation_line([row(True), row(True), row(False), row(None)])
    assert line is not None and line.startswith("2 of 3 prompts are longer than this model reads")
    assert truncation_line([row(True), row(False)]) is None
    assert truncation_line([row(None)] * 9) is None, "paced: nobody has read them"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["cut.rule=fixed"], "steps 20 cut at 6, policy drc"),
        (["cut.rule=limit"], "steps 20 cut by the rule limit, "),
        (["policy.name=drc"], "steps 20 cut by the rule planned (auto), "),
        (["policy.name=lru"], "steps 20 cut by the rule considerate (auto), "),
        (["policy.name=final"], "steps 20 cut at 20, "),
        (["model.split_step=20"], "steps 20 cut at 20, "),
    ],
)
def test_the_start_says_where_pictures_are_cut(settings: list[str], words: str) -> None:
    assert words in start_line(load("laptop", settings))


@pytest.mark.parametrize(
    ("policy", "settings", "said"),
    [
        ("lru", [], True),
        ("final", ["workload.variation_share=0.1"], False),
        ("split", [], False),
        ("split", ["workload.variation_share=0.1"], True),
    ],
)
def test_limits_are_said_where_an_output_serves_another_prompt(
    policy: str, settings: list[str], said: bool
) -> None:
    unreached = "reuse={metric: psnr, floor: 99}"  # with a table; without one that is said
    settings = [*settings, "modes.denoiser=paced", f"policy.name={policy}", unreached]
    scenario = load("laptop", settings)
    assert (check(scenario, Options()).notice is not None) == said


def test_the_store_is_said_in_outputs() -> None:
    cell: Any = SimpleNamespace(name="edge-0", output_bytes=8192)
    line = store_line(cell, 256_000)
    assert line == "the store of edge-0, 256,000 bytes, holds 31 outputs of 8,192 bytes"
