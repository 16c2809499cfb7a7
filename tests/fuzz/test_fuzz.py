"""A small run of odd input of each kind: `python -m tests.fuzz` has the long one."""

import pytest

from tests.fuzz import KINDS
from tests.fuzz.__main__ import main

FEW = {"scenarios": 25, "folders": 6, "frames": 60, "calls": 60, "prompts": 40, "states": 20}


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS])
def test_odd_input_ends_with_one_line(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--kind", kind, "--inputs", str(FEW.get(kind, 15)), "--seed", "7"]) == 0, (
        capsys.readouterr().err
    )
