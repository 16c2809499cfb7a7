"""What a staircase is fitted to: the pairs of this model's calibration, read and not touched."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from midstep.errors import OptionError
from midstep.reuse.embedding import WordsEmbedder
from midstep.reuse.likeness import SAME_PLACEMENT, UNRELATED
from midstep.scenario_file import load
from midstep.wire.identity import PipelineIdentity
from midstep.workload.requests import find_catalogue
from orchestrator.doctor.calibrate_reuse.like_pairs import CatalogueLikePairs
from orchestrator.doctor.calibrate_reuse.like_samples import Drawn, samples_of
from orchestrator.doctor.calibrate_reuse.parts import head_of
from tests.orchestrator.doctor.calibrate_reuse.fake import FakeDenoiser

SCENARIO = load("laptop")
CATALOGUE = find_catalogue(SCENARIO)
IDENTITY = FakeDenoiser().identity
VALUES = {"fidelity": 1.0, "psnr": 30.0, "ssim": 0.9}


def journal(folder: Path, *kinds: str, identity: PipelineIdentity = IDENTITY) -> Path:
    """A journal with one pair of each kind, at step 3."""
    pairs = CatalogueLikePairs(CATALOGUE, True, SCENARIO.workload.plain_share)
    lines = [head_of(identity, pairs, "float32")]
    lines += [{"kind": kind, "pair": 0, "steps": {"0": VALUES, "3": VALUES}} for kind in kinds]
    path = folder / "reuse.likeness.journal.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def read(path: Path) -> list[Drawn]:
    """Its samples, by hashed words."""
    return samples_of(path, SCENARIO, CATALOGUE, IDENTITY, WordsEmbedder())


def test_pairs_of_edges_that_are_asked_for_whole_prompts_are_left_out(tmp_path: Path) -> None:
    """Their donors say an ending, and nobody of a stream of core prompts has one."""
    samples = read(journal(tmp_path, UNRELATED, SAME_PLACEMENT))
    assert [(step, values) for step, _, values in samples] == [(3, VALUES)]


def test_a_file_that_somebody_still_writes_to_stays_as_it_is(tmp_path: Path) -> None:
    path = journal(tmp_path, UNRELATED)
    with path.open("a") as file:
        file.write('{"kind": "unre')
    before = path.read_bytes()
    assert len(read(path)) == 1
    assert path.read_bytes() == before


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="no pair is in it yet"):
        read(journal(tmp_path))
    path = journal(tmp_path, UNRELATED, identity=replace(IDENTITY, model="another"))
    with pytest.raises(OptionError, match="its pipeline is"):
        read(path)
    for text in ("no journal", "no journal\n", '{"a": 1}\n', ""):
        path.write_text(text)
        with pytest.raises(OptionError, match="give the journal that"):
            read(path)
        assert path.read_text() == text
