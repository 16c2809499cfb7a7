"""A host checks the pictures that the edge asks for, beside its devices' requests."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, cast

import pytest

from midstep.clock import Clock, VirtualClock, run_virtual
from midstep.diffusion.denoise import Denoiser
from midstep.radio.fading import specs
from midstep.reuse.meter import Measured, Meter
from midstep.scenario import Scenario
from midstep.telemetry.record import RequestRow
from midstep.wire.messages import Answer, Request
from midstep.workload.requests import open_workload
from tests import paced
from tests.user_agent.edges import answer
from tests.user_agent.test_checker import Judge, Listener
from user_agent import host as host_module
from user_agent.host import DeviceHost


class Computing:
    """A paced denoiser that says that its own time counts, as one does that computes pictures."""

    profile = None

    def __init__(self) -> None:
        self._paced = paced.denoiser(8192)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._paced, name)


async def computing(scenario: Scenario, threads: int, clock: Clock) -> tuple[Denoiser, None]:
    return cast(Denoiser, Computing()), None


async def marked(request: Request) -> Answer:
    return replace(answer(request), check=True)


@pytest.mark.parametrize("check_share", [0.05, 0.0])
def test_checked_rows_come_again_and_the_edge_hears_of_them(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch, check_share: float
) -> None:
    found = Measured(psnr_db=25.0, ssim=0.7, fidelity=1.0, reference_fidelity=1.0)
    monkeypatch.setattr(host_module, "open_computing", computing)
    monkeypatch.setattr(Meter, "of", lambda model: Judge(found))
    reuse = scenario.reuse.model_copy(update={"check_share": check_share})
    scenario = scenario.model_copy(update={"reuse": reuse})
    edge = Listener()
    edge.reply = marked

    async def world() -> tuple[list[RequestRow], list[RequestRow]]:
        host = await DeviceHost.open(
            scenario, specs(scenario), edge, VirtualClock(), open_workload(scenario)
        )
        host.start(0.0)
        await asyncio.sleep(10)
        await host.stop(10.0)
        await asyncio.sleep(10)
        ended = [finished.row for finished in host.drain()]
        again = host.checked()
        assert host.checked() == []
        await host.close()
        return ended, again

    ended, again = run_virtual(world())
    wanted = {row.request_id for row in ended if row.result == "done" and row.reuse_class != "core"}
    if not check_share:
        assert not again and not edge.samples
        return
    assert len(again) > 5
    assert {row.request_id for row in again} >= wanted
    assert all(row.ssim == 0.7 and row.total_s is not None for row in again)
    by_id = {row.request_id: row for row in ended}
    for sample in edge.samples:
        row = by_id[sample.request_id]
        assert (sample.kind, sample.step) == (row.reuse_class, row.cut_step)
        assert row.ssim is None  # the row that went first stays as it was
