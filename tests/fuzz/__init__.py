"""Odd input, drawn from a seed: scenarios, options, folders of runs, frames, RPCs, lists of
prompts, learners' states. Whatever comes in, a command ends with one line.

    python -m tests.fuzz --inputs 10000 --seed 1
"""

from __future__ import annotations

from tests.fuzz.calls import Calls
from tests.fuzz.folders import Folders
from tests.fuzz.frames import Frames
from tests.fuzz.kind import Kind
from tests.fuzz.options import Options
from tests.fuzz.prompt_files import PromptFiles
from tests.fuzz.scenarios import Scenarios
from tests.fuzz.states import States

__all__ = ["KINDS"]

# a kind of input: its share of all inputs
KINDS: dict[type[Kind], float] = {
    Scenarios: 0.30,
    Options: 0.08,
    Folders: 0.07,
    Frames: 0.20,
    Calls: 0.20,
    PromptFiles: 0.10,
    States: 0.05,
}
