"""The example notebook runs from its first cell to its last, in a kernel of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "examples" / "first_run.ipynb"


def outputs(notebook: Any, cell_id: str) -> str:
    """What a cell printed and showed, as text."""
    cell = next(cell for cell in notebook.cells if cell.id == cell_id)
    return "\n".join(
        output.get("text") or output["data"].get("text/plain", "") for output in cell.outputs
    )


def test_the_notebook_is_kept_without_outputs() -> None:
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "jupyter"))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=200,
        resources={"metadata": {"path": str(tmp_path)}},
    )
    client.execute()  # raises where a cell does
    assert "VALID" in outputs(notebook, "run") and "INVALID" not in outputs(notebook, "run")
    assert "computed" in outputs(notebook, "rows")
    assert outputs(notebook, "policies").count("\n") == 3  # a header, a line a run
    assert outputs(notebook, "wrong").strip() == (
        "laptop: polcy: unknown key; did you mean policy?"
    )
    assert len(list((tmp_path / "runs").iterdir())) == 4
