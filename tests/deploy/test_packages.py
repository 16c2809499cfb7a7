"""An installation has every module and all the data beside them."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import setuptools

from deploy.check import ROOT
from deploy.check_docker import packages
from deploy.check_image import contents, context

BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"


def test_every_folder_with_python_files_is_a_package() -> None:
    folders = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for name in packages(ROOT)
        for path in (ROOT / name).rglob("*.py")
    }
    listed = setuptools.find_packages(str(ROOT), include=[f"{name}*" for name in packages(ROOT)])
    assert set(listed) == folders


def test_data_of_each_kind_is_among_the_contents() -> None:
    assert {
        Path("midstep/models/midstep-emoji/unet/diffusion_pytorch_model.safetensors"),
        Path("midstep/models/midstep-emoji/tokenizer/merges.txt"),
        Path("midstep/models/midstep-emoji/reuse.json"),
        Path("midstep/models/midstep-emoji/glyphs/1f43c.webp"),
        Path("midstep/models/midstep-emoji/glyphs/NOTICE"),
        Path("midstep/scenarios/laptop.yaml"),
        Path("midstep/experiments/six-policies.yaml"),
        Path("orchestrator/policies/drc_item/scorer.json"),
        Path("orchestrator/records/report.css"),
        Path("orchestrator/watch/monitoring/dashboards/overview.json"),
        Path("orchestrator/watch/monitoring/prometheus/rules.yml"),
        Path("orchestrator/watch/monitoring/provisioning/datasources/prometheus.yaml"),
        *(Path(name, "py.typed") for name in packages(ROOT)),
    } <= contents()


def test_a_wheel_has_all_contents(tmp_path: Path) -> None:
    pytest.importorskip("setuptools", minversion="77")  # as pyproject.toml's build-system says
    source = tmp_path / "source"
    source.mkdir()
    context(source)
    build = subprocess.run(
        [sys.executable, "-c", BUILD, str(tmp_path)], cwd=source, capture_output=True, text=True
    )
    assert build.returncode == 0, build.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {Path(name) for name in archive.namelist() if ".dist-info/" not in name}
    assert packed == contents()
