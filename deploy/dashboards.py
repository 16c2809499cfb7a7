"""Write the dashboards' JSON and docs/dashboards.md from deploy/grafana; `--check` compares."""

from __future__ import annotations

import sys
from pathlib import Path

from deploy.generated import settle
from deploy.grafana import BOARDS
from deploy.grafana.page import page

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "deploy" / "grafana" / "dashboards"


def files() -> dict[Path, str]:
    """Render every dashboard and their page: path -> text."""
    from deploy.grafana.render import render

    return {FOLDER / f"{board.name}.json": render(board) for board in BOARDS} | {
        ROOT / "docs" / "dashboards.md": page(BOARDS)
    }


if __name__ == "__main__":
    sys.exit(settle(files(), "python -m deploy.dashboards"))
