"""Calls spread over Ray: their files come back whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from midstep.errors import AddressError, PartDied
from orchestrator.cluster.spread import pack, spread, unpack


def test_files_come_back_in_their_folders_or_not_at_all(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "images").mkdir(parents=True)
    (source / "a.txt").write_text("a")
    (source / "images" / "b.png").write_bytes(b"\x00b")
    files = pack(source)
    assert set(files) == {"a.txt", "images/b.png"}
    target = tmp_path / "points" / "target"
    unpack(files, target)
    assert pack(target) == files
    with pytest.raises(PartDied, match="is called"):
        unpack({"../a.txt": b""}, tmp_path / "points" / "other")
    assert not (tmp_path / "points" / "other").exists()
    assert not (tmp_path / "points" / "a.txt").exists()
    assert pack(tmp_path / "nowhere") == {}


def test_nobody_at_the_address_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(AddressError, match="nobody answers at"):
        list(spread([], "127.0.0.1:1"))


@pytest.mark.ray
def test_a_call_that_fails_leaves_the_others(ray_address: str, tmp_path: Path) -> None:
    def written(folder: Path) -> str:
        folder.mkdir()
        (folder / "a.txt").write_text("here")
        return "done"

    def refused(folder: Path) -> str:
        raise ValueError("not here")

    calls = [(written, tmp_path / "0"), (refused, tmp_path / "1"), (written, tmp_path / "2")]
    results = dict(spread(calls, ray_address))
    assert results[0] == results[2] == "done"
    assert str(results[1]) == "not here"
    assert (tmp_path / "2" / "a.txt").read_text() == "here" and not (tmp_path / "1").exists()
