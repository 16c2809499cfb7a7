"""Drawing dashboards: variables, steps and places as Grafana has them, without a browser."""

from __future__ import annotations

import itertools
import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from deploy import draw_dashboards
from deploy.dashboards import FOLDER
from deploy.draw_dashboards import PICTURES, WIDTH_PX
from deploy.grafana.answers import View, board, box, step_s
from deploy.grafana.recorded import recorded_prometheus

BOARDS = {path.stem: json.loads(path.read_text()) for path in FOLDER.glob("*.json")}


class _Prometheus(BaseHTTPRequestHandler):
    """Answers every query with one series, and refuses what still has a variable."""

    queries: list[dict[str, str]]

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        words = {key: values[0] for key, values in parse_qs(address.query).items()}
        self.queries.append(words)
        if "$" in words["query"]:
            self._send(400, {"error": "parse error: unexpected character: '$'"})
            return
        series: dict[str, Any] = {"metric": {"edge": "edge-0"}}
        if address.path.endswith("query_range"):
            series["values"] = [[100, "1"], [105, "1"], [130, "2"]]
        else:
            series["value"] = [160, "2"]
        self._send(200, {"data": {"result": [series]}})

    def _send(self, status: int, tree: dict[str, Any]) -> None:
        body = json.dumps(tree).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def prometheus() -> Iterator[str]:
    _Prometheus.queries = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Prometheus)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def _view(prometheus: str) -> View:
    return View(prometheus=prometheus, run="a", from_s=101.5, to_s=161.5, width_px=1568)


@pytest.mark.parametrize("name", sorted(BOARDS))
def test_every_query_of_a_dashboard_is_put_with_its_variables_filled(
    name: str, prometheus: str
) -> None:
    filled = board(BOARDS[name], _view(prometheus))
    answers = [answer for panel in filled["panels"] for answer in panel["answers"]]
    targets = sum(len(panel.get("targets", ())) for panel in BOARDS[name]["panels"])
    assert len(answers) == targets
    assert len(_Prometheus.queries) == targets + 1  # and the events
    instants = [words for words in _Prometheus.queries if "time" in words]
    ranges = [words for words in _Prometheus.queries if "time" not in words]
    assert {words["time"] for words in instants} <= {"161.5"}
    assert all(float(words["start"]) % float(words["step"]) == 0 for words in ranges)
    # points next to each other are one event, a gap makes another
    assert [event["time_s"] for event in filled["events"]] == [100, 130]


def test_an_unknown_variable_is_named_and_an_anchor_is_none() -> None:
    view = _view("")
    assert view.fill('x{run="$run",edge=~"$edge"}[$__range]') == 'x{run="a",edge=~".*"}[60s]'
    assert view.fill('x{edge=~"edge-0$"}') == 'x{edge=~"edge-0$"}'
    with pytest.raises(ValueError, match=r"nobody fills \$node in: x\{node"):
        view.fill('x{node="$node"}')


def test_a_refused_query_says_why(prometheus: str) -> None:
    tree = BOARDS["learner"] | {"annotations": {"list": [{"expr": 'x{a="$"}', "step": "5s"}]}}
    with pytest.raises(ValueError, match="parse error: unexpected character"):
        board(tree, _view(prometheus))


def test_panels_lie_on_grafanas_grid_and_fill_its_width() -> None:
    for tree in BOARDS.values():
        boxes = [box(panel["gridPos"], 1568) for panel in tree["panels"]]
        assert max(one["left"] + one["width"] for one in boxes) == 1568
        for row in {one["top"] for one in boxes}:
            beside = sorted((o["left"], o["width"]) for o in boxes if o["top"] == row)
            gaps = [b[0] - a[0] - a[1] for a, b in itertools.pairwise(beside)]
            assert all(7 <= gap <= 9 for gap in gaps), (tree["title"], row)
    assert box({"x": 8, "y": 1, "w": 8, "h": 8}, 1568) == {
        "left": 525, "top": 38, "width": 517, "height": 296,
    }  # fmt: skip


def test_every_dashboard_has_its_picture_in_the_docs() -> None:
    assert {path.stem for path in PICTURES.iterdir()} == set(BOARDS)
    for path in PICTURES.iterdir():
        head = path.read_bytes()[:20]
        assert head[:8] == b"\x89PNG\r\n\x1a\n"
        assert int.from_bytes(head[16:20], "big") == WIDTH_PX
        assert path.stat().st_size < 200_000, f"{path.name} makes every clone larger"


@pytest.mark.parametrize(
    ("seconds", "step"), [(60, 1), (900, 2), (3600, 5), (6 * 3600, 30), (40 * 86400, 7200)]
)
def test_a_range_has_about_a_point_a_pixel_at_a_round_step(seconds: float, step: float) -> None:
    assert step_s(seconds, 517) == step


def test_what_is_missing_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        pytest.raises(ValueError, match="it was no `midstep run --monitor`"),
        recorded_prometheus(tmp_path),
    ):
        pass
    with pytest.raises(OSError, match=r"no Prometheus answers at http://127\.0\.0\.1:1: "):
        board(BOARDS["learner"], _view("http://127.0.0.1:1"))
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/npm" if name == "npm" else None)
    assert draw_dashboards.main([str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        "no Chromium on the PATH: apt-get install chromium (Debian, Ubuntu), brew install "
        "chromium\n"
    )
