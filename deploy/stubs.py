"""Write midstep/v1 from proto/midstep/v1; `--check` compares the committed stubs with it."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
STUBS = ROOT / "midstep" / "v1"


def generate(folder: Path) -> None:
    """Run protoc into `folder`. Raises SystemExit with protoc's status where it fails."""
    from grpc_tools import protoc

    sources = sorted(str(path) for path in (ROOT / "proto").rglob("*.proto"))
    out = [f"--{kind}={folder}" for kind in ("python_out", "pyi_out", "grpc_python_out")]
    status = protoc.main(["protoc", f"-I{ROOT / 'proto'}", *out, *sources])
    if status:
        raise SystemExit(status)


def main() -> int:
    """Write or compare; the exit status: 0 written or equal, 1 the committed stubs differ."""
    with tempfile.TemporaryDirectory() as name:
        generate(Path(name))
        stubs = {path.name: path.read_text() for path in (Path(name) / "midstep" / "v1").iterdir()}
    stubs["__init__.py"] = '"""Generated from proto/midstep/v1 by `make stubs`. Do not edit."""\n'
    if "--check" in sys.argv:
        committed = {
            path.name: path.read_text()
            for path in STUBS.iterdir()
            if path.suffix in {".py", ".pyi"}
        }
        stale = sorted(
            name
            for name in stubs.keys() | committed.keys()
            if stubs.get(name) != committed.get(name)
        )
        if stale:
            print(
                f"midstep/v1 differs from proto/midstep/v1 in {', '.join(stale)}: run `make stubs` "
                f"and commit"
            )
        return int(bool(stale))
    STUBS.mkdir(exist_ok=True)
    for name, text in stubs.items():
        (STUBS / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
