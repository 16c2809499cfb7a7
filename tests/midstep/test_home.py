"""Paths with a ~."""

from pathlib import Path

import pytest

from midstep.home import in_home


def test_a_user_that_there_is_not_keeps_its_tilde(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert in_home("~/x") == tmp_path / "x"
    assert in_home(Path("~nobody-of-this-name/x")) == Path("~nobody-of-this-name/x")
    assert in_home("a/~/x") == Path("a/~/x")
