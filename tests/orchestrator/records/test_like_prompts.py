"""What a run's report, summary and gallery say of requests that other prompts' outputs served."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from midstep.scenario_file import parse
from orchestrator.records.gallery import gallery
from orchestrator.records.like_prompts import like_prompts
from orchestrator.records.summary import metrics
from tests import paced
from tests.orchestrator.records.record_rows import row

SCENARIO = parse(paced.tree(reuse={"similar": "any", "similar_params": {"step": 6}}))
DONOR = {
    "reuse": "similar",
    "similarity": 0.75,
    "likeness": "same scene",
    "donor_key": "d" * 32,
    "donor_prompt": "a <lion>",
    "reused_step": 6,
    "edge_steps": 0,
    "saved_steps": 6,
}


def rows() -> list[dict[str, Any]]:
    return [
        row(0, **DONOR, ssim=0.9, psnr_db=31.0, fidelity=1.0).dict(),
        row(1, **DONOR, ssim=0.7, psnr_db=25.0, fidelity=0.0).dict(),
        row(2, **{**DONOR, "reuse": "resumed", "edge_steps": 2, "likeness": "unrelated"}).dict(),
        row(3).dict(),
    ]


def test_the_summary_counts_them_whether_as_they_were_or_gone_on_from() -> None:
    figures = metrics(rows(), [], {})
    assert figures["similar_ratio"]["mean"] == 0.75
    assert figures["hit_ratio"]["mean"] == 0.5
    assert figures["partial_ratio"]["mean"] == 0.25


def test_the_report_has_a_line_for_each_likeness() -> None:
    page = like_prompts(SCENARIO, rows())
    assert "75% of the pictures" in page and "by the rule any" in page
    cells = [re.findall(r"<td>(.*?)</td>", line) for line in re.findall(r"<tr>(.*?)</tr>", page)]
    scene, unrelated, every = cells[1:]
    assert scene == ["same scene", "2", "0%", "0.750", "6.0", "6.0", "2", "0.80 (0.70)", "1 of 2"]
    assert unrelated == ["unrelated", "1", "100%", "0.750", "6.0", "6.0", "0", "-", "-"]
    assert every[:3] == ["all", "3", "33%"]
    assert like_prompts(SCENARIO, [row(3).dict()]) == ""


def test_the_gallery_names_the_donor_its_step_and_the_likeness(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for kind in ("", "-frame", "-reference"):
        (images / f"r-0{kind}.png").write_bytes(b"picture")
        (images / f"r-1{kind}.png").write_bytes(b"picture")
    page = gallery(tmp_path, [rows()[0], {**rows()[1], "donor_prompt": None}])
    assert page.count("<img ") == 6
    assert "from: a &lt;lion&gt;, step 6; same scene, similarity 0.75" in page
    assert "from: output dddddddddddd, step 6" in page  # nobody is told its prompt
    assert "31.0 dB" in page
