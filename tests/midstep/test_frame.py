import dataclasses

import pytest
import torch

from midstep.errors import FrameError
from midstep.frame import Frame
from midstep.payload import Payload, pack, unpack


def frame() -> Frame:
    return Frame.seal("pipeline", "key", 6, 20, b"payload")


def test_an_honest_frame_verifies() -> None:
    frame().verify("pipeline", "key")


@pytest.mark.parametrize(
    "change", [{"payload": b"payloae"}, {"step": 7}, {"steps": 21}, {"prompt_key": "kez"}, {"pipeline": "pipelinf"}]
)
def test_any_changed_part_breaks_the_checksum(change: dict[str, object]) -> None:
    with pytest.raises(FrameError, match="damaged"):
        dataclasses.replace(frame(), **change).verify("pipeline", "key")


def test_a_frame_of_something_else_is_refused() -> None:
    with pytest.raises(FrameError, match="asked was other"):
        frame().verify("other", "key")
    with pytest.raises(FrameError, match="asked was other"):
        frame().verify("pipeline", "other")


def test_a_payload_keeps_bits_types_and_nesting() -> None:
    latent = torch.randn(1, 4, 8, 8)
    solver = {"model_outputs": [None, latent * 2], "lower_order_nums": 2, "_step_index": 6, "flag": True, "name": "x"}
    back = unpack(pack(Payload(latent, solver, torch.Generator().get_state())))
    assert torch.equal(back.latent, latent)
    assert back.solver["model_outputs"][0] is None
    assert torch.equal(back.solver["model_outputs"][1], latent * 2)
    assert {k: v for k, v in back.solver.items() if k != "model_outputs"} == {
        "lower_order_nums": 2, "_step_index": 6, "flag": True, "name": "x",
    }  # fmt: skip
    assert back.rng is not None and back.rng.dtype == torch.uint8


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_travels(dtype: torch.dtype) -> None:
    latent = torch.randn(1, 4, 8, 8).to(dtype)
    assert torch.equal(unpack(pack(Payload(latent))).latent, latent)


@pytest.mark.parametrize("blob", [b"", b"garbage", b"\xff" * 64, (10**12).to_bytes(8, "little") + b"{}"])
def test_random_bytes_are_refused(blob: bytes) -> None:
    with pytest.raises(FrameError, match="cannot be read"):
        unpack(blob)


def test_a_cut_payload_is_refused() -> None:
    with pytest.raises(FrameError, match="cannot be read"):
        unpack(pack(Payload(torch.zeros(1, 4, 8, 8)))[:-1])


def test_a_solver_that_keeps_code_cannot_travel() -> None:
    with pytest.raises(FrameError, match="noise_sampler as function"):
        pack(Payload(torch.zeros(1), {"noise_sampler": lambda: 0}))
