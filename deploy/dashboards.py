"""Write the dashboards' JSON and docs/dashboards.md from deploy/grafana, or check that what is
committed is that."""

from __future__ import annotations

import sys
from pathlib import Path

from deploy.generated import settle
from deploy.grafana import BOARDS
from deploy.grafana.page import page

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "deploy" / "grafana" / "dashboards"


def made() -> dict[Path, str]:
    """Every file that the dashboards come to."""
    from deploy.grafana.render import render

    return {FOLDER / f"{board.name}.json": render(board) for board in BOARDS} | {
        ROOT / "docs" / "dashboards.md": page(BOARDS)
    }


if __name__ == "__main__":
    sys.exit(settle(made(), "python -m deploy.dashboards"))
