"""Ask a Prometheus what a dashboard shows, as Grafana asks: variables, steps, instants, events."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

COLUMNS = 24  # of a dashboard's grid
CELL_PX = 30  # height of a grid cell, and the gap between two, as Grafana has them
GAP_PX = 8
SCRAPE_S = 1.0  # timeInterval of deploy/grafana/provisioning: no step is shorter
TIMEOUT_S = 30.0
# Grafana's round steps in seconds (roundInterval of @grafana/data): up to the first, the second
_STEPS = (
    (1.5, 1.0), (3.5, 2.0), (7.5, 5.0), (12.5, 10.0), (17.5, 15.0), (25, 20.0), (45, 30.0),
    (90, 60.0), (210, 120.0), (450, 300.0), (750, 600.0), (1050, 900.0), (1500, 1200.0),
    (2700, 1800.0), (5400, 3600.0),
)  # fmt: skip
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback: past http_proxy


@dataclass(frozen=True, kw_only=True)
class View:
    """What is looked at: a run in a Prometheus, from `from_s` to `to_s` in Unix seconds.

    `edge`: a regular expression. `window`: how long rates look back. `width_px`: of the dashboard.
    """

    prometheus: str
    run: str
    from_s: float
    to_s: float
    width_px: int
    edge: str = ".*"
    window: str = "30s"

    def fill(self, text: str) -> str:
        """Put values in the place of Grafana's variables. Raises ValueError on an unknown one."""
        seconds = max(1, round(self.to_s - self.from_s))
        values = {
            "run": self.run,
            "edge": self.edge,
            "window": self.window,
            "__range": f"{seconds}s",
        }

        def value(match: re.Match[str]) -> str:
            if match[1] not in values:
                raise ValueError(f"nobody fills ${match[1]} in: {text}")
            return values[match[1]]

        return re.sub(r"\$(\w+)", value, text)


def box(place: Mapping[str, int], width_px: int) -> dict[str, float]:
    """Lay a panel's `gridPos` out: left, top, width and height in pixels, as Grafana does."""
    column = (width_px - GAP_PX * (COLUMNS - 1)) / COLUMNS
    return {
        "left": round(place["x"] * (column + GAP_PX)),
        "top": place["y"] * (CELL_PX + GAP_PX),
        "width": round(place["w"] * (column + GAP_PX) - GAP_PX),
        "height": place["h"] * (CELL_PX + GAP_PX) - GAP_PX,
    }


def step_s(seconds: float, width_px: float) -> float:
    """Choose the step of a range query: about a point a pixel, round, no less than a scrape."""
    ideal = seconds / width_px
    rounded = next((step for most, step in _STEPS if ideal < most), 7200.0)
    return max(SCRAPE_S, rounded)


def series(prometheus: str, expression: str, **of_range: float) -> list[dict[str, Any]]:
    """Run a query: labels and points (Unix seconds, value as text) of each series.

    `of_range`: start, end and step of a range query; `time` alone makes it an instant query.
    Raises OSError where nothing answers, ValueError where Prometheus refuses the query.
    """
    kind = "query" if "time" in of_range else "query_range"
    words = urllib.parse.urlencode({"query": expression, **of_range})
    data = get(prometheus, f"{kind}?{words}")
    return [
        {"labels": one["metric"], "points": one.get("values") or [one["value"]]}
        for one in data["result"]
    ]


def get(prometheus: str, path: str) -> Any:
    """Fetch what Prometheus has at a path of its HTTP API; raises as `series` does."""
    url = f"{prometheus.rstrip('/')}/api/v1/{path}"
    try:
        with _DIRECT.open(url, timeout=TIMEOUT_S) as reply:
            return json.load(reply)["data"]
    except urllib.error.HTTPError as error:
        try:
            why = json.load(error)["error"]
        except (ValueError, KeyError):
            why = str(error)
        raise ValueError(f"{prometheus} refuses {urllib.parse.unquote(path)}: {why}") from error
    except urllib.error.URLError as error:
        raise OSError(f"no Prometheus answers at {prometheus}: {error.reason}") from error
    except (ValueError, KeyError) as error:
        raise ValueError(f"what answers at {prometheus} is no Prometheus: {error}") from error


def board(tree: Mapping[str, Any], view: View) -> dict[str, Any]:
    """Fill a dashboard's JSON with answers: what deploy/grafana/draw/page.jsx draws."""
    panels = [_panel(panel, view) for panel in tree["panels"]]
    (events,) = tree["annotations"]["list"]
    return {
        "title": tree["title"],
        "variables": [
            ["Run", view.run],
            ["Edge", "All" if view.edge == ".*" else view.edge],
            ["Rates over", view.window],
        ],
        "from_s": view.from_s,
        "to_s": view.to_s,
        "height_px": max(panel["box"]["top"] + panel["box"]["height"] for panel in panels),
        "events": _events(events, view),
        "panels": panels,
    }


def _panel(panel: Mapping[str, Any], view: View) -> dict[str, Any]:
    place = box(panel["gridPos"], view.width_px)
    answers = [_answer(target, view, place["width"]) for target in panel.get("targets", ())]
    return {**panel, "box": place, "answers": answers}


def _answer(target: Mapping[str, Any], view: View, width_px: float) -> dict[str, Any]:
    expression = view.fill(target["expr"])
    step = step_s(view.to_s - view.from_s, width_px)
    if target["instant"]:
        result = series(view.prometheus, expression, time=view.to_s)
    else:
        # on multiples of the step, so that points stay where they are as time goes on
        start = view.from_s // step * step
        end = view.to_s // step * step
        result = series(view.prometheus, expression, start=start, end=end, step=step)
    return {
        "refId": target["refId"],
        "legend": target.get("legendFormat", ""),
        "step_s": step,
        "series": result,
    }


def _events(annotation: Mapping[str, Any], view: View) -> list[dict[str, Any]]:
    step = float(annotation["step"].removesuffix("s"))
    result = series(
        view.prometheus,
        view.fill(annotation["expr"]),
        start=view.from_s // step * step,
        end=view.to_s,
        step=step,
    )
    return [
        {"time_s": time, "labels": one["labels"]}
        for one in result
        for number, (time, _) in enumerate(one["points"])
        if number == 0 or time - one["points"][number - 1][0] > step
    ]
