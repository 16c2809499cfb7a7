"""A learner's state: what goes in comes out, nothing is executed, and what does not fit is told in
one line."""

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from midstep.errors import OptionError
from orchestrator.live import checkpoint
from orchestrator.live.checkpoint import of_run, pack, unpack
from orchestrator.live.state_schema import check_policy_state, check_state

DTYPES = ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?", ">f8", ">i4"]
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
ARRAYS = st.sampled_from(DTYPES).flatmap(lambda dtype: hnp.arrays(np.dtype(dtype), SHAPES))
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | ARRAYS
    | ARRAYS.map(lambda a: a.T)
)
KEYS = st.text() | st.integers() | st.just("\x00array")
TREES = st.recursive(
    LEAVES,
    lambda t: st.lists(t, max_size=4) | st.dictionaries(KEYS, t, max_size=4) | st.tuples(t, t),
    max_leaves=12,
)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return (
            isinstance(b, np.ndarray)
            and a.dtype == b.dtype.newbyteorder(a.dtype.byteorder)
            and a.shape == b.shape
            and a.astype(b.dtype).tobytes() == b.tobytes()
        )
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and math.isnan(a):
        return isinstance(b, float) and math.isnan(b)
    return type(a) is type(b) and bool(a == b)


@given(st.dictionaries(KEYS, TREES, max_size=5))
def test_what_goes_in_comes_out(tree: dict[Any, Any]) -> None:
    assert same(tree, unpack(pack(tree)))


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.int64, torch.bool]
)
def test_tensors_come_out_as_tensors(dtype: torch.dtype) -> None:
    tensor = torch.arange(6).reshape(2, 3).to(dtype).T  # not contiguous
    back = unpack(pack({"w": tensor, "scalar": torch.tensor(3.0)}))
    assert (
        back["w"].dtype == dtype and torch.equal(back["w"], tensor) and back["scalar"].shape == ()
    )


def test_an_optimizer_goes_on_as_if_nothing_had_been() -> None:
    def trained(steps: int, start: bytes | None = None) -> tuple[torch.nn.Linear, bytes]:
        torch.manual_seed(0)
        net = torch.nn.Linear(3, 1)
        adam = torch.optim.Adam(net.parameters(), lr=0.1)
        if start is not None:
            state = unpack(start)
            net.load_state_dict(state["net"])
            adam.load_state_dict(state["adam"])
        for _ in range(steps):
            adam.zero_grad()
            net(torch.ones(2, 3)).pow(2).sum().backward()
            adam.step()
        return net, pack({"net": net.state_dict(), "adam": adam.state_dict()})

    whole, _ = trained(6)
    _, half = trained(3)
    assert torch.equal(trained(3, half)[0].weight, whole.weight)


def test_a_state_is_a_copy_that_may_be_changed() -> None:
    array = np.zeros(3)
    blob = pack({"a": array})
    array[0] = 1
    back = unpack(blob)["a"]
    back[1] = 2
    assert back.tolist() == [0, 2, 0]


def test_what_cannot_be_held_is_named() -> None:
    with pytest.raises(
        ValueError, match=r"memory\.1\.when is a set, which a checkpoint cannot hold"
    ):
        pack({"memory": [1, {"when": {1, 2}}]})
    with pytest.raises(ValueError, match="words is a ndarray"):
        pack({"words": np.array(["a"], object)})


@pytest.mark.parametrize("cut", [0, 4, 20, -1])
def test_damage_is_told(cut: int) -> None:
    with pytest.raises(ValueError):
        unpack(pack({"a": np.arange(9), "b": "text"})[:cut])


def test_another_format_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "FORMAT", 99)
    blob = pack({})
    monkeypatch.undo()
    with pytest.raises(ValueError, match="its format is 99"):
        unpack(blob)


def test_it_is_imported_without_torch_and_reads_arrays_without_it(tmp_path: Path) -> None:
    (tmp_path / "c").write_bytes(pack({"a": np.arange(3)}))
    code = (
        "import sys; from pathlib import Path; from orchestrator.live import checkpoint;"
        f"print(checkpoint.unpack(Path({str(tmp_path / 'c')!r}).read_bytes()), 'torch' in "
        f"sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "{'a': array([0, 1, 2])} False"


def test_only_what_was_learnt_for_the_same_setting_is_resumed(tmp_path: Path) -> None:
    blob = pack({"setting": {"policy.name": "lru", "users": 4}})
    (tmp_path / "learner.ckpt").write_bytes(blob)
    assert of_run(tmp_path, {"policy.name": "lru", "users": 4}) == blob
    with pytest.raises(OptionError, match=r"policy.name was 'lru' there and is 'lfu' here"):
        of_run(tmp_path, {"policy.name": "lfu", "users": 4})
    with pytest.raises(OptionError, match=r"users was 4 there and is 5 here"):
        of_run(tmp_path, {"policy.name": "lru", "users": 5})
    with pytest.raises(OptionError, match=r"no learner's state is in there \(no learner.ckpt\)"):
        of_run(tmp_path / "nowhere", {})
    (tmp_path / "learner.ckpt").write_bytes(b"\x80\x04N.")
    with pytest.raises(OptionError, match=r"learner.ckpt cannot be read"):
        of_run(tmp_path, {})


def test_no_single_flipped_bit_is_believed() -> None:
    blob = pack({"policy": {"weights": np.arange(40.0), "updates": 3, "name": "lru"}, "slot": 7})
    for bit in range(0, 8 * len(blob), 3):
        flipped = bytearray(blob)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ValueError):
            unpack(bytes(flipped))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"updates": "x"}, "updates is no whole number"),
        ({"updates": 10**29}, "updates is no whole number"),
        ({"slot": -1}, "slot is no whole number"),
        ({"backlog": {"target_s": [], "queue_s": 0.0, "seen": []}}, "target_s is no number"),
        ({"backlog": {"target_s": None, "queue_s": math.nan, "seen": []}}, "queue_s is no number"),
        ({"backlog": {"target_s": None, "queue_s": 0.0, "seen": [None]}}, "seen is no number"),
        ({"known": [1, "a"]}, "known is no list"),
    ],
)
def test_a_state_of_another_schema_is_refused(change: dict[str, Any], reason: str) -> None:
    backlog = {"target_s": 1.0, "queue_s": 0.0, "seen": [1.0]}
    state = {"slot": 3, "updates": 4, "known": ["a"], "backlog": backlog, "policy": {}}
    check_state(state)
    with pytest.raises(ValueError, match=reason):
        check_state({**state, **change})


def test_a_policys_state_has_the_kinds_of_a_fresh_one() -> None:
    fresh = {"updates": 0, "weights": np.zeros((2, 3)), "best": None, "keys": {}, "name": "a"}
    check_policy_state(fresh, {**fresh, "updates": 2.5, "best": [1], "keys": {"k": "v"}})
    for change, reason in (
        ({"updates": "x"}, "policy.updates is a text, a number is wanted"),
        ({"weights": np.zeros(3)}, "an array of numbers with 1 dimensions, .* 2 dimensions"),
        ({"weights": np.zeros((2, 3), int)}, "whole numbers with 2"),
        ({"name": 1}, "policy.name is a number, a text is wanted"),
    ):
        with pytest.raises(ValueError, match=reason):
            check_policy_state(fresh, {**fresh, **change})
    with pytest.raises(ValueError, match=r"policy\.name is missing"):
        check_policy_state(fresh, {k: v for k, v in fresh.items() if k != "name"})
