"""Run the image's pip line where there is no Docker. Needs a package index.

It runs in a fresh environment, in a folder that holds what the Dockerfile copies and nothing else.

`python -m deploy.check_image` resolves the line and installs midstep alone (a minute); `--whole`
installs all of it, some GB, and starts the commands.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from deploy.check import ROOT
from deploy.check_docker import packages, sources


def context(folder: Path) -> None:
    """Lay out in `folder` what the Dockerfile copies, less compiled Python."""
    for name in sources((ROOT / "deploy" / "docker" / "Dockerfile").read_text()):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)


def pip_line() -> list[str]:
    """Arguments of the Dockerfile's pip install, without the index of the CPU wheels."""
    text = re.sub(r"\\\n", " ", (ROOT / "deploy" / "docker" / "Dockerfile").read_text())
    match = re.search(r"pip install (?:\$\{TORCH_INDEX:[^}]*\} )?(.*)", text)
    assert match is not None, "the Dockerfile has no pip install"
    return match[1].replace("'", "").split()


def contents() -> set[Path]:
    """Files of the packages, from the root: modules and all data beside them."""
    return {
        (Path(folder) / file).relative_to(ROOT)
        for name in packages(ROOT)
        for folder, _, files in os.walk(ROOT / name, followlinks=True)
        for file in files
        if Path(folder).name != "__pycache__"
    }


def missing(installed: Path) -> list[str]:
    """List the files of the packages that an installation lacks."""
    present = {path.relative_to(installed) for path in installed.rglob("*") if path.is_file()}
    return sorted(str(path) for path in contents() - present)


def main() -> int:
    """Install; the exit status: 0 it installs and lacks nothing, 1 not."""
    with tempfile.TemporaryDirectory(prefix="midstep-image") as name:
        source = Path(name) / "src"
        environment = Path(name) / "venv"
        source.mkdir()
        context(source)
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
        pip = [
            str(environment / "bin" / "python"),
            "-m",
            "pip",
            "install",
            "-q",
            "--disable-pip-version-check",
        ]
        whole = "--whole" in sys.argv
        for arguments in (
            [pip_line()] if whole else [["--dry-run", *pip_line()], ["--no-deps", "."]]
        ):
            result = subprocess.run([*pip, *arguments], cwd=source, capture_output=True, text=True)
            if result.returncode:
                print(
                    f"pip install {' '.join(arguments)}: {result.stderr[-2000:]}", file=sys.stderr
                )
                return 1
        site = next((environment / "lib").glob("python*/site-packages"))
        if absent := missing(site):
            print(
                f"installed without {', '.join(absent[:5])}: see package-data in pyproject.toml",
                file=sys.stderr,
            )
            return 1
        if whole:
            subprocess.run(
                [str(environment / "bin" / "midstep"), "policies"],
                check=True,
                stdout=subprocess.DEVNULL,
            )
            subprocess.run(
                [str(environment / "bin" / "ray"), "job", "--help"],
                check=True,
                stdout=subprocess.DEVNULL,
            )
    print(
        "the image's pip line installs from what the Dockerfile copies"
        + (", and the commands start" if whole else "")
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
