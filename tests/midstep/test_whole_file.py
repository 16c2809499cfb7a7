"""A file is whole or not there."""

from pathlib import Path

import pytest

from midstep.whole_file import replacing, write_at_once


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    write_at_once(path, "old")
    with replacing(path) as fresh:
        fresh.write_text("half")
        assert path.read_text() == "old"
    assert path.read_text() == "half" and [*tmp_path.iterdir()] == [path]


def test_what_could_not_be_written_leaves_no_room_taken(tmp_path: Path) -> None:
    path = tmp_path / "learner.ckpt"
    path.write_text("old")
    with pytest.raises(OSError, match="No space"), replacing(path) as fresh:
        fresh.write_text("half")
        raise OSError(28, "No space left on device")
    assert path.read_text() == "old" and [*tmp_path.iterdir()] == [path]
