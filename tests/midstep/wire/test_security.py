"""Credentials in memory and on disk, and where an edge may listen."""

from __future__ import annotations

import ast
import dataclasses
import os
import pickle
from pathlib import Path

import pytest

import edge_node.__main__ as edge_main
import user_agent.__main__ as agent_main
from midstep.errors import CredentialsError
from midstep.wire import certificates
from midstep.wire.certificates import ephemeral, load_credentials, make
from midstep.wire.security import Credentials, check_listen, is_loopback
from orchestrator.doctor.certs import certs

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert certs(tmp_path / "edge", 30) == 0
    capsys.readouterr()
    return tmp_path / "edge"


def refusal(folder: Path) -> str:
    with pytest.raises(CredentialsError) as error:
        load_credentials(folder)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_an_edge_and_its_devices_load_what_they_share(folder: Path) -> None:
    edge = load_credentials(folder)
    device = load_credentials(folder / "device")
    assert edge.key is not None and edge.certificate is not None
    assert device == edge.public() == Credentials(edge.token, edge.ca)


def test_credentials_travel_whole_and_show_nothing() -> None:
    credentials = ephemeral(tls=True)
    assert pickle.loads(pickle.dumps(credentials)) == credentials
    assert repr(credentials) == "Credentials()"
    assert ephemeral(tls=False).token != ephemeral(tls=False).token


def test_only_the_token_itself_is_accepted() -> None:
    credentials = ephemeral(tls=False)
    assert credentials.accept(credentials.token) and credentials.accept(credentials.token.encode())
    assert not any(
        credentials.accept(other)
        for other in ("", None, credentials.token[:-1], credentials.token + "x", "ü" * 43, b"\xff")
    )


@pytest.mark.parametrize("name", ["ca.pem", "token", "edge.pem", "edge-key.pem"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert name in refusal(folder)


@pytest.mark.parametrize("name", ["token", "edge-key.pem"])
@pytest.mark.parametrize("mode", [0o604, 0o640])
def test_a_secret_that_others_can_read_is_refused(folder: Path, name: str, mode: int) -> None:
    (folder / name).chmod(mode)
    assert f"chmod 600 {folder / name}" in refusal(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize(("mode", "right"), [(0o440, True), (0o444, False)])
def test_a_group_may_read_a_secret_that_is_somebody_elses(
    folder: Path, mode: int, right: bool
) -> None:
    """So do mounted secrets of Kubernetes come: owned by root, readable to the pod's group."""
    os.chown(folder / "device" / "token", 12345, 12345)
    (folder / "device" / "token").chmod(mode)
    if right:
        load_credentials(folder / "device")
    else:
        assert "read by others" in refusal(folder / "device")


@pytest.mark.parametrize(
    "token",
    [
        b"",
        b"short",
        b"with a space in the middle",
        b"\xff" * 40,
        b"x" * 5000,
        b"a" * 20 + b"\n" + b"b" * 20,
    ],
)
def test_a_token_that_is_none_is_refused(folder: Path, token: bytes) -> None:
    (folder / "token").write_bytes(token)
    assert "printable characters" in refusal(folder)


def test_certificates_that_do_not_belong_together_are_refused(folder: Path) -> None:
    ca, certificate, key = make(30)
    (folder / "edge-key.pem").write_bytes(key)
    assert "is not the key of edge.pem" in refusal(folder)
    (folder / "edge.pem").write_bytes(certificate)
    assert "is not signed by ca.pem" in refusal(folder)
    (folder / "ca.pem").write_bytes(ca)
    load_credentials(folder)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("ca.pem", "no certificate"),
        ("edge.pem", "no certificate"),
        ("edge-key.pem", "no private key"),
    ],
)
def test_what_is_no_pem_is_refused(folder: Path, name: str, what: str) -> None:
    (folder / name).write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert name in refusal(folder) and what in refusal(folder)


def test_a_certificate_that_ended_or_has_another_name_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for days, name, what in (
        (-1, "midstep-edge", "ca.pem ended on"),
        (30, "edge.example.org", "not for the name"),
    ):
        with monkeypatch.context() as changed:
            changed.setattr(certificates, "NAME", name)
            changed.setattr(certificates, "_SLACK", certificates.dt.timedelta(days=3))
            pems = make(days)
        for file, pem in zip(("ca.pem", "edge.pem", "edge-key.pem"), pems, strict=True):
            (folder / file).write_bytes(pem)
        assert what in refusal(folder)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.9.9.9:1", "localhost:1", "[::1]:1"])
def test_loopback_is_open_to_this_machine_only(address: str) -> None:
    assert is_loopback(address)
    check_listen(address, None)


@pytest.mark.parametrize(
    "address", ["0.0.0.0:1", "[::]:1", ":1", "192.168.1.2:1", "127.0.0.1.example.org:1", "box:1"]
)
def test_elsewhere_an_edge_needs_tls_or_an_explicit_word(address: str) -> None:
    check_listen(address, ephemeral(tls=True))
    check_listen(address, None, insecure=True)
    for plain in (None, ephemeral(tls=False), ephemeral(tls=True).public()):
        with pytest.raises(CredentialsError, match=r"midstep certs DIR.*--insecure"):
            check_listen(address, plain)


def test_the_edges_command_refuses_an_open_port_in_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert edge_main.main(["--listen", "0.0.0.0:0"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("main", [edge_main.main, agent_main.main])
def test_both_commands_refuse_bad_credentials_in_one_line(
    main: object, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "token").chmod(0o644)
    listen = ["--listen", "127.0.0.1:0"] if main is edge_main.main else ["--join", "127.0.0.1:9"]
    assert main([*listen, "--credentials", str(folder)]) == 2  # type: ignore[operator]
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "chmod 600" in error


def _unsafe(tree: ast.AST) -> list[str]:
    """What a module does that can execute what it reads."""
    texts = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names]
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            banned = {
                "pickle",
                "cPickle",
                "_pickle",
                "marshal",
                "shelve",
                "dill",
                "cloudpickle",
                "joblib",
            }
            texts += [name for name in names if name.split(".")[0] in banned]
        if (
            isinstance(node, ast.Attribute)
            and node.attr == "load"
            and isinstance(node.value, ast.Name)
        ):
            texts += [f"{node.value.id}.load"] if node.value.id in ("torch", "np", "numpy") else []
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("eval", "exec")
        ):
            texts.append(node.func.id)
    return texts


@pytest.mark.parametrize("part", ["midstep", "edge_node", "user_agent", "orchestrator"])
def test_nothing_that_is_read_can_be_executed(part: str) -> None:
    """Ray moves its own objects between a run's processes; what crosses the edge's wire or lies on
    disk is data."""
    modules = sorted((ROOT / part).rglob("*.py"))
    assert len(modules) > 2
    executed = {
        str(m.relative_to(ROOT)): why for m in modules if (why := _unsafe(ast.parse(m.read_text())))
    }
    # a user's own policy, which the command line names
    assert executed.pop("orchestrator/policies/registry/outside.py", ["exec"]) == ["exec"]
    assert executed == {}


@pytest.mark.parametrize(
    "text",
    ["import pickle", "from marshal import loads", "torch.load(x)", "eval(x)", "import os, dill"],
)
def test_and_the_check_can_fail(text: str) -> None:
    assert _unsafe(ast.parse(text))


def test_a_callers_part_has_no_private_key() -> None:
    credentials = ephemeral(tls=True)
    assert credentials.key is not None and dataclasses.astuple(credentials.public())[2:] == (
        None,
        None,
    )
