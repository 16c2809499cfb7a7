"""The report's gallery: which pictures of a request stand in it, and in which order."""

import base64
import re
from dataclasses import replace
from pathlib import Path

from midstep.scenario import Scenario
from midstep.scenario_file import parse
from midstep.telemetry.record import Gallery
from orchestrator.records import report
from orchestrator.records.recorder import Recorder
from orchestrator.records.rows import EndedRequest
from orchestrator.records.run_record import Run
from tests import paced
from tests.orchestrator.records.record_rows import row, slot


def test_a_gallery_without_other_pictures_has_its_own(tmp_path: Path) -> None:
    scenario = parse(paced.tree(report={"images": False, "references": 4}))
    recorder = Recorder(tmp_path / "run", scenario)
    recorder.ended([EndedRequest(row(i), b"picture") for i in range(2)])
    recorder.slot(slot(0))
    assert not list((tmp_path / "run" / "images").iterdir())
    recorder.compared(
        [
            Gallery(
                request_id="r-1",
                frame=b"frame",
                picture=b"picture",
                reference=b"reference",
                psnr_db=31.0,
            )
        ]
    )
    recorder.close()
    page = report.write(tmp_path / "run").read_text()
    assert '<div class="gallery">' in page and "31.0 dB" in page
    assert len(list((tmp_path / "run" / "images").iterdir())) == 3


def test_a_start_picture_is_the_first_of_its_request(scenario: Scenario, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "run", scenario)
    begun = row(1, start_digest="d", strength=0.6)
    recorder.ended([EndedRequest(begun, b"picture"), EndedRequest(row(2), b"other")])
    recorder.slot(slot(0))
    plain = Gallery(
        request_id="r-2", frame=b"frame", picture=b"other", reference=b"as", psnr_db=31.0
    )
    recorder.compared([replace(plain, request_id="r-1", picture=b"picture", start=b"start"), plain])
    recorder.close()
    page = report.write(tmp_path / "run").read_text()
    shown = re.findall(r"base64,([\w+/=]+)", page[page.index('<div class="gallery">') :])
    assert [base64.b64decode(text) for text in shown] == [
        *(b"start", b"frame", b"picture", b"as"),
        *(b"frame", b"other", b"as"),
    ]
    assert page.count("from a start picture, strength 0.6") == 1
    assert sorted(Run(tmp_path / "run").pictures) == ["r-1", "r-2"]


def test_a_picture_that_a_device_made_alone_is_shown_without_a_frame(
    scenario: Scenario, tmp_path: Path
) -> None:
    recorder = Recorder(tmp_path / "run", scenario)
    alone = row(1, reuse="local", edge_steps=0, device_steps=20, cut_step=0, plan_wait_s=0.04)
    recorder.ended([EndedRequest(row(0), b"first"), EndedRequest(alone, b"picture")])
    recorder.slot(slot(0))
    whole = Gallery(
        request_id="r-1", frame=None, picture=b"picture", reference=b"reference", psnr_db=100.0
    )
    recorder.compared([whole])
    recorder.close()
    page = report.write(tmp_path / "run").read_text()
    assert page.count("<img") == 2 and "local, steps 0+0+20, 100.0 dB" in page
    assert not (tmp_path / "run" / "images" / "r-1-frame.png").exists()
    assert "of overhead: for the slot" in page


def test_what_an_edge_says_is_escaped(scenario: Scenario, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "run", scenario)
    evil = "<script>alert(1)</script>"
    picture = b"png"
    recorder.ended([EndedRequest(row(0), None), EndedRequest(row(1, reuse=evil), picture)])
    recorder.slot(slot(0))
    recorder.compared(
        [Gallery(request_id="r-1", frame=picture, picture=picture, reference=picture, psnr_db=30.0)]
    )
    recorder.close()
    page = report.write(tmp_path / "run").read_text()
    assert "&lt;script&gt;" in page and evil not in page
