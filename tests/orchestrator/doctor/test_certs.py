"""`midstep certs DIR`."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from midstep.wire.certificates import load_credentials
from orchestrator.cli import main


def test_it_makes_an_edges_folder_and_a_devices_part(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "new" / "certs"
    assert main(["certs", str(folder), "--days", "2"]) == 0
    assert {p.name for p in folder.iterdir()} == {
        "ca.pem",
        "edge.pem",
        "edge-key.pem",
        "token",
        "device",
    }
    assert {p.name for p in (folder / "device").iterdir()} == {"ca.pem", "token"}
    for secret in (folder / "token", folder / "edge-key.pem", folder / "device" / "token"):
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert load_credentials(folder).public() == load_credentials(folder / "device")
    printed = capsys.readouterr().out
    assert f"--credentials {folder}" in printed and load_credentials(folder).token not in printed


def test_it_never_overwrites(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["certs", str(tmp_path / "a")]) == 0
    before = (tmp_path / "a" / "token").read_bytes()
    assert main(["certs", str(tmp_path / "a")]) == 2
    assert "is there already" in capsys.readouterr().err
    assert (tmp_path / "a" / "token").read_bytes() == before


@pytest.mark.parametrize("days", ["0", "-1", "100000"])
def test_a_wrong_number_of_days_is_one_line(
    days: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["certs", str(tmp_path / "a"), "--days", days]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "a").exists()


def test_a_folder_that_cannot_be_written_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["certs", str(tmp_path / "file" / "a")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_loose_umask_does_not_open_the_secrets(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        assert main(["certs", str(tmp_path / "a")]) == 0
    finally:
        os.umask(before)
    load_credentials(tmp_path / "a")
