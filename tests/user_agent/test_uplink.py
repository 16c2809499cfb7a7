"""Start pictures and their way up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from midstep.clock import VirtualClock, run_virtual
from midstep.errors import PromptError, ScenarioError
from midstep.radio import physics
from midstep.radio.fading import specs
from midstep.telemetry.record import RequestRow
from midstep.workload.requests import open_workload
from midstep.workload.user_request import StartChoice
from tests.user_agent.starting import scenario
from user_agent.shared_link import open_band
from user_agent.start_pictures import FolderPictures, open_starts
from user_agent.uplink import Uplink


def row() -> RequestRow:
    return RequestRow(
        request_id="0",
        edge="edge-0",
        user=0,
        device_class="phone",
        process_id=0,
        prompt="a",
        edge_prompt="a",
        due_s=0.0,
    )


@pytest.mark.parametrize("total_mhz", [None, 10.0])
def test_a_picture_takes_its_bits_at_the_devices_own_power(total_mhz: float | None) -> None:
    of = scenario(channel={"fading": False, "total_mhz": total_mhz})
    spec = specs(of)[0]
    starts = open_starts(of, 32, 32)
    assert starts is not None

    async def world() -> list[RequestRow]:
        clock = VirtualClock()
        uplink = Uplink(starts, spec, of, clock, open_band(of, clock))
        rows = [row(), row()]
        for one in rows:
            start = await uplink.send(one, StartChoice(3, 0.6))
        assert start.pixels.shape == (32, 32, 3)
        return rows

    width_hz = spec.bandwidth_hz if total_mhz is None else 1e6 * total_mhz
    channel = of.channel
    gain = physics.mean_gain(spec.distance_m, channel.carrier_mhz * 1e6, 3.0, 3.0)
    rate_bps = physics.rate_bps(width_hz, 0.2, gain, channel.noise_w)
    for one in run_virtual(world()):
        assert one.uplink_bytes == len(starts.start(StartChoice(3, 0.6)).png)
        assert one.uplink_s == pytest.approx(8 * one.uplink_bytes / float(rate_bps))
        assert one.strength == 0.6 and len(one.start_digest or "") == 64


def test_pictures_of_a_folder_are_drawn_by_number_and_brought_to_size(tmp_path: Path) -> None:
    for number, name in enumerate(("b.png", "a.jpg")):
        pixels = np.full((20, 30, 3), 50 * number, np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "c.png").write_bytes(b"no picture either")
    pictures = FolderPictures(str(tmp_path), 32, 48)
    start = pictures.start(StartChoice(4, 0.5))  # three files: a.jpg, b.png, c.png
    assert start.pixels.shape == (32, 48, 3) and start.pixels.max() == 0
    with pytest.raises(PromptError, match=r"c\.png cannot be read"):
        pictures.start(StartChoice(2, 0.5))
    with pytest.raises(ScenarioError, match="is no folder here"):
        FolderPictures(str(tmp_path / "none"), 32, 32)


def test_the_share_and_the_picture_follow_the_seed_alone() -> None:
    one, again = (open_workload(scenario()) for _ in range(2))
    requests = [one.user_request(user, index, 0) for user in range(20) for index in range(20)]
    assert requests == [again.user_request(u, i, 0) for u in range(20) for i in range(20)]
    starts = [request.start for request in requests if request is not None and request.start]
    assert 0.62 < len(starts) / len(requests) < 0.78
    by_prompt = {(request.edge_prompt, request.start) for request in requests if request}
    assert len(by_prompt) == 6  # one picture a core prompt, and none


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"modes": {"denoiser": "paced", "clock": "virtual", "wire": "inprocess"}}, "paced"),
        ({"reuse": {"privacy": "core"}}, "privacy core"),
        ({"workload": {"start": {"strength": 0.05}}}, "leaves none of 10 steps"),
        ({"workload": {"start": {"strength": 1.5}}}, r"workload\.start\.strength"),
    ],
)
def test_a_scenario_that_cannot_have_start_pictures_is_refused(
    changes: dict[str, object], words: str
) -> None:
    with pytest.raises(ScenarioError, match=words):
        scenario(**changes)
