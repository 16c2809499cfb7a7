"""Draw the dashboards with Grafana's own components: `python -m deploy.draw_dashboards RUN`.

RUN is the folder of a `midstep run --monitor`, or the address of a Prometheus that watches one.
Each dashboard of deploy/grafana/dashboards becomes a picture in docs/dashboards, and what does not
fit, is cut off or is empty becomes a line. Needs Node.js, Chromium and Prometheus; the first call
installs Grafana's packages of deploy/grafana/draw into build/. The exit status: 0 nothing to
mend, 1 something, 2 it cannot be drawn.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy.dashboards import FOLDER
from deploy.grafana.answers import View, board, series
from deploy.grafana.recorded import recorded_prometheus, span

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "deploy" / "grafana" / "draw"
BUILD = ROOT / "build" / "dashboards"
PICTURES = ROOT / "docs" / "dashboards"
WIDTH_PX = 1600
MARGIN_PX = 32  # left and right of the panels together
COLOURS = 256  # of a picture: a few lines on a dark ground
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
MISSING = {
    "npm": "it comes with Node.js: apt-get install npm (Debian, Ubuntu), brew install node",
    "chromium": "apt-get install chromium (Debian, Ubuntu), brew install chromium",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw; the exit status."""
    words = _parser().parse_args(arguments)
    try:
        browser = _browser()
        with _view(words) as view:
            boards = {path.stem: json.loads(path.read_text()) for path in FOLDER.glob("*.json")}
            filled = {name: board(tree, view) for name, tree in sorted(boards.items())}
        _bundle()
        folder = BUILD / "boards"
        folder.mkdir(exist_ok=True)
        for name, tree in filled.items():
            (folder / f"{name}.json").write_text(json.dumps(tree))
        words.out.mkdir(parents=True, exist_ok=True)
        files = [f"boards/{name}.json" for name in filled]
        drawn = _run(
            ["node", "shoot.mjs", browser, str(words.width), str(words.out.resolve()), *files]
        )
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    findings = json.loads(drawn)
    for name, lines in findings.items():
        _squeeze(words.out / f"{name}.png")
        for panel, line in lines:
            print(f"{name}: {panel}: {line}")
    number = sum(len(lines) for lines in findings.values())
    print(f"{len(filled)} dashboards drawn in {words.out}, {number or 'no'} findings")
    return int(number > 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.draw_dashboards", description=__doc__)
    parser.add_argument("source", metavar="RUN", help="a run's folder, or a Prometheus' address")
    parser.add_argument("--out", type=Path, default=PICTURES, help="where the pictures go")
    parser.add_argument("--width", type=int, default=WIDTH_PX, help="of the page, in pixels")
    parser.add_argument(
        "--last", type=float, default=900, help="seconds until now to show of a Prometheus"
    )
    return parser


def _browser() -> str:
    if shutil.which("npm") is None:
        raise ValueError(f"no npm on the PATH: {MISSING['npm']}")
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise ValueError(f"no Chromium on the PATH: {MISSING['chromium']}")
    return browser


@contextmanager
def _view(words: argparse.Namespace) -> Iterator[View]:
    width = words.width - MARGIN_PX
    if words.source.startswith(("http://", "https://")):
        now = time.time()
        yield View(
            prometheus=words.source,
            run=newest_run(words.source, now),
            from_s=now - words.last,
            to_s=now,
            width_px=width,
        )
        return
    run = Path(words.source)
    with recorded_prometheus(run) as address:
        first, last = span(run, address)
        name = newest_run(address, last)
        yield View(prometheus=address, run=name, from_s=first, to_s=last, width_px=width)


def newest_run(prometheus: str, now_s: float) -> str:
    """Choose the run that Grafana shows first, as its variable sorts them; ValueError: no run."""
    runs = series(prometheus, "group by (run) (last_over_time(midstep_build_info[1h]))", time=now_s)
    if not runs:
        raise ValueError(f"{prometheus} has seen no run of midstep in the hour before")
    return max(str(one["labels"]["run"]) for one in runs)


def _bundle() -> None:
    """Install Grafana's packages where they are not, and build the page."""
    BUILD.mkdir(parents=True, exist_ok=True)
    lock = BUILD / "package-lock.json"
    fresh = (BUILD / "node_modules").is_dir() and lock.is_file()
    if not fresh or lock.read_bytes() != (SOURCES / "package-lock.json").read_bytes():
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(SOURCES / name, BUILD / name)
        _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"])
    for path in SOURCES.iterdir():
        shutil.copyfile(path, BUILD / path.name)
    options = (
        "--bundle",
        "--format=iife",
        "--jsx=automatic",
        "--minify",
        '--define:process.env.NODE_ENV="production"',
        "--log-level=error",
        # as .mjs they would take a CommonJS package's default in Node's way, which is another one
        *(
            f"--alias:@grafana/{name}=./node_modules/@grafana/{name}/dist/cjs/index.cjs"
            for name in ("data", "schema", "ui")
        ),
        "--external:monaco-editor",  # a code editor, behind components that are not used here
        "--outfile=page.js",
    )
    _run(["node_modules/.bin/esbuild", "page.jsx", *options])


def _run(command: Sequence[str]) -> str:
    """Run a tool in the build folder; its standard output. Raises ValueError where it fails."""
    result = subprocess.run(command, cwd=BUILD, capture_output=True, text=True, check=False)
    if result.returncode or result.stderr.strip():
        what = " ".join(command[:2])
        if result.returncode:
            raise ValueError(f"{what} failed: {' '.join(result.stderr.split())[-2000:]}")
        print(f"{what}: {result.stderr.strip()[-2000:]}", file=sys.stderr)
    return result.stdout


def _squeeze(picture: Path) -> None:
    from PIL import Image

    with Image.open(picture) as image:
        few = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(picture, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
