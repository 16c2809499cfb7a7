import contextlib
import dataclasses
import json
import re
import tracemalloc
import zlib

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from midstep.diffusion import payload
from midstep.diffusion.payload import Payload, pack, unpack
from midstep.errors import FrameError
from midstep.wire.frame import Frame


def frame() -> Frame:
    return Frame.seal("pipeline", "key", 6, 20, b"payload")


def test_an_honest_frame_verifies() -> None:
    """Its checksum is that of the edges and devices out there: a changed one would refuse them."""
    frame().verify("pipeline", "key")
    assert frame().checksum == zlib.crc32(b"pipeline|key|6|20" + b"payload")


@pytest.mark.parametrize(
    "change",
    [
        {"payload": b"payloae"},
        {"step": 7},
        {"steps": 21},
        {"prompt_key": "kez"},
        {"pipeline": "pipelinf"},
    ],
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
    solver = {
        "model_outputs": [None, latent * 2],
        "lower_order_nums": 2,
        "_step_index": 6,
        "flag": True,
        "name": "x",
    }
    back = unpack(pack(Payload(latent, solver, torch.Generator().get_state())))
    assert torch.equal(back.latent, latent)
    assert back.solver["model_outputs"][0] is None
    assert torch.equal(back.solver["model_outputs"][1], latent * 2)
    assert {k: v for k, v in back.solver.items() if k != "model_outputs"} == {
        "lower_order_nums": 2,
        "_step_index": 6,
        "flag": True,
        "name": "x",
    }
    assert back.rng is not None and back.rng.dtype == torch.uint8


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_travels(dtype: torch.dtype) -> None:
    latent = torch.randn(1, 4, 8, 8).to(dtype)
    assert torch.equal(unpack(pack(Payload(latent))).latent, latent)


def blob_of(header: object, data: bytes = b"") -> bytes:
    """A safetensors blob with just that header: text as it is, anything else as JSON."""
    text = header.encode() if isinstance(header, str) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def header_of(
    shape: list[object], begin: int, end: int, dtype: str = "F32", solver: str = "{}"
) -> dict[str, object]:
    return {
        "__metadata__": {"solver": solver},
        "latent": {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]},
    }


TWO_GB = 1 << 31
FLAT = header_of([4], 0, 16)
DEEP = "[" * 100_000 + "]" * 100_000
HOSTILE: dict[str, tuple[bytes, str]] = {
    "2 GB announced, 16 bytes there": (
        blob_of(header_of([TWO_GB // 4], 0, TWO_GB), bytes(16)),
        "tensors of 2147483648 bytes are announced, 16 follow",
    ),
    "2 GB of shape in 16 bytes": (
        blob_of(header_of([TWO_GB // 4], 0, 16), bytes(16)),
        "announces 2147483648 bytes as bytes 0 to 16",
    ),
    "a shape whose product overflows": (
        blob_of(header_of([1 << 31] * 4, 0, 16), bytes(16)),
        "as bytes 0 to 16",
    ),
    "a shape of very many dimensions": (
        blob_of(header_of([1] * 10_000, 0, 4), bytes(4)),
        "no tensor has the shape",
    ),
    "a negative size": (blob_of(header_of([-4], 0, 16), bytes(16)), "no tensor has the shape"),
    "a size that is no number": (
        blob_of(header_of([True, 4.0, "4"], 0, 16), bytes(16)),
        "no tensor has the shape",
    ),
    "bytes before the data": (blob_of(header_of([4], -16, 0), bytes(16)), "announced, 16 follow"),
    "bytes behind the data": (
        blob_of(FLAT, bytes(17)),
        "tensors of 16 bytes are announced, 17 follow",
    ),
    "a hole before the data": (blob_of(header_of([4], 4, 20), bytes(20)), "announced, 20 follow"),
    "tensors that overlap": (
        blob_of(
            {**FLAT, "rng": {"dtype": "U8", "shape": [16], "data_offsets": [0, 16]}}, bytes(16)
        ),
        "announced, 16 follow",
    ),
    "an unknown type": (blob_of(header_of([4], 0, 16, dtype="F3"), bytes(16)), "F3"),
    "a latent of integers": (
        blob_of(header_of([4], 0, 16, dtype="I32"), bytes(16)),
        "the latent is of I32",
    ),
    "a random state of 1 MB": (
        blob_of(
            {
                **header_of([0], 0, 0),
                "rng": {"dtype": "U8", "shape": [1 << 20], "data_offsets": [0, 1 << 20]},
            },
            bytes(1 << 20),
        ),
        "no random generator has a state",
    ),
    "a header longer than the blob": (
        (TWO_GB).to_bytes(8, "little") + b"{}" + bytes(100),
        "a header of 2147483648 bytes is announced, 102 follow",
    ),
    "a header of 10 MB": (blob_of({"latent": "x" * (10 << 20)}), "262144 are allowed"),
    "a deep header": (blob_of(DEEP), "nested too deeply"),
    "a deep solver": (
        blob_of(header_of([4], 0, 16, solver=DEEP[50_000:150_000]), bytes(16)),
        "nested too deeply",
    ),
    "a number of 10,000 digits": (
        blob_of(header_of([4], 0, 16, solver='{"a": 1' + "0" * 10_000 + "}"), bytes(16)),
        "digits",
    ),
    "a name twice": (blob_of('{"latent": {}, "latent": {}}'), "a name comes twice"),
    "an attribute of Python's own": (
        blob_of(header_of([4], 0, 16, solver='{"__class__": 1}'), bytes(16)),
        "no solver has an attribute '__class__'",
    ),
    "no latent": (blob_of({"__metadata__": {"solver": "{}"}}), "latent"),
    "no solver": (blob_of({"latent": FLAT["latent"]}, bytes(16)), "__metadata__"),
    "a solver that is a list": (blob_of(header_of([4], 0, 16, solver="[1]"), bytes(16)), ""),
    "a header that is a list": (blob_of([FLAT]), ""),
    "a header that is a number": (blob_of("12"), ""),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_header_that_does_not_keep_its_word_is_refused_before_memory_is_taken(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        payload.safetensors.torch, "load", lambda _: pytest.fail("tensors were made")
    )
    blob, why = HOSTILE[name]
    tracemalloc.start()
    try:
        with pytest.raises(FrameError, match=f"cannot be read: .*{why}") as error:
            unpack(blob)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "\n" not in str(error.value) and len(str(error.value)) < 500
    assert peak < 40 << 20


def test_a_solver_that_names_a_tensor_which_is_not_there_is_refused() -> None:
    with pytest.raises(FrameError, match="cannot be read"):
        unpack(blob_of(header_of([4], 0, 16, solver='{"a": {"\\u0000t": "b"}}'), bytes(16)))


def test_only_the_expected_shape_is_taken() -> None:
    blob = pack(Payload(torch.zeros(1, 4, 8, 8)))
    assert unpack(blob, (1, 4, 8, 8)).latent.shape == (1, 4, 8, 8)
    with pytest.raises(
        FrameError,
        match=re.escape("the frame's latent is (1, 4, 8, 8), this pipeline's is (1, 4, 4, 4)"),
    ):
        unpack(blob, (1, 4, 4, 4))


def test_a_shape_is_refused_before_its_tensor_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    blob = pack(Payload(torch.zeros(1, 4, 64, 64)))
    monkeypatch.setattr(
        payload.safetensors.torch, "load", lambda _: pytest.fail("tensors were made")
    )
    with pytest.raises(FrameError, match="this pipeline's is"):
        unpack(blob, (1, 4, 8, 8))


WHOLE = pack(
    Payload(torch.randn(1, 4, 8, 8), {"lower_order_nums": 2, "outputs": [None, torch.zeros(3)]})
)


@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=8),
    st.integers(0, 20),
)
@settings(max_examples=300, deadline=None)
def test_a_damaged_payload_is_read_or_refused_and_nothing_else(
    changes: list[tuple[int, int]], cut: int
) -> None:
    damaged = bytearray(WHOLE[: len(WHOLE) - cut])
    for place, value in changes:
        damaged[place] = value
    with contextlib.suppress(FrameError):
        assert unpack(bytes(damaged)).latent.is_floating_point()


@pytest.mark.parametrize(
    "blob", [b"", b"garbage", b"\xff" * 64, (10**12).to_bytes(8, "little") + b"{}"]
)
def test_random_bytes_are_refused(blob: bytes) -> None:
    with pytest.raises(FrameError, match="cannot be read"):
        unpack(blob)


def test_a_cut_payload_is_refused() -> None:
    with pytest.raises(FrameError, match="cannot be read"):
        unpack(pack(Payload(torch.zeros(1, 4, 8, 8)))[:-1])


def test_a_solver_that_keeps_code_cannot_travel() -> None:
    with pytest.raises(FrameError, match="noise_sampler as function"):
        pack(Payload(torch.zeros(1), {"noise_sampler": lambda: 0}))


def test_a_text_that_is_no_utf_8_is_damage_and_no_traceback() -> None:
    odd = dataclasses.replace(frame(), prompt_key="\ud800")
    with pytest.raises(FrameError, match="damaged"):
        odd.verify("pipeline", "key")
