"""Real pictures through the whole of it: devices, gRPC, reuse. Checked against stock diffusers from
outside."""

import re
from pathlib import Path
from statistics import median

import pytest

from midstep.diffusion.pipelines import MODELS
from tests import tiny
from tests.orchestrator.cluster import stock
from tests.orchestrator.cluster.live_run import live

pytestmark = [pytest.mark.ray, pytest.mark.timeout(400)]
QUICK = (
    "--set",
    "devices.0.speed_ratio=0.7",
    "--set",
    "workload.catalogue_size=4",  # the same again soon, also on a slow machine
    "--set",
    "hosts.devices_per_host=3",
)


@pytest.fixture(scope="module")
def run(ray_address: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run of the default model."""
    folder = tmp_path_factory.mktemp("default") / "run"
    plain = ("--set", "workload.plain_share=0.5", "--seed", "1")
    options = ("--users", "6", "--duration", "15s", "--set", "report.references=4", *plain)
    with live(folder, ray_address, *QUICK, *options) as running:
        assert running.end(200) == 0, running.text()
    return folder


def test_pictures_are_the_stock_pipelines_within_one_grey_level(run: Path) -> None:
    rows = stock.done(run)
    kinds = {
        (reuse, plain): [
            r for r in rows if r["reuse"] == reuse and (r["prompt"] == r["edge_prompt"]) == plain
        ]
        for reuse in ("computed", "exact")
        for plain in (True, False)
    }
    for (reuse, plain), rows_of_kind in kinds.items():
        assert rows_of_kind, (
            f"no {reuse} request with {'the core itself' if plain else 'an ending'} in this run"
        )
        for row in rows_of_kind[:2]:
            assert stock.worst_difference(run, str(MODELS / "midstep-emoji"), row) <= 1, (
                reuse,
                row["prompt"],
            )


def test_rows_add_up_in_a_live_run_too(run: Path) -> None:
    rows = stock.done(run)
    assert len({row["process_id"] for row in rows}) == 2
    for row in rows:
        assert row["edge_steps"] + row["saved_steps"] + row["device_steps"] == 20
        assert row["edge_steps"] + row["saved_steps"] == row["cut_step"] <= row["reuse_limit"]
        if row["reuse"] in ("computed", "exact"):
            assert row["edge_steps"] == (row["cut_step"] if row["reuse"] == "computed" else 0)
        stages = sum(
            row[f"{stage}_s"] for stage in ("queue", "edge", "transfer", "device", "overhead")
        )
        assert stages == pytest.approx(row["total_s"], rel=0.01)
        assert -0.001 <= row["overhead_s"] < row["total_s"]
    ratios = [row["transfer_s"] * row["link_rate_bps"] / (8 * row["frame_bytes"]) for row in rows]
    assert 1 <= median(ratios) <= 1.05


def test_what_was_compared_without_reuse_has_its_pictures_and_psnr(run: Path) -> None:
    compared = [row for row in stock.done(run) if row["psnr_db"] is not None]
    assert len(compared) >= 4
    for row in compared:
        assert 5 < row["psnr_db"] <= 100
        assert (run / "images" / f"{row['request_id']}-reference.png").is_file()
        if row["prompt"] == row["edge_prompt"]:
            assert row["psnr_db"] > 45  # nothing but the batch's rounding separates the two
    page = (run / "report.html").read_text()
    assert page.count("data:image/png;base64,") >= 12
    # self-contained, but for links to the data beside it
    assert not re.search(r"(src|href)=.?(https?:|[\w./-]+\.(png|css|js)\b)", page)


def test_another_family_finishes_pictures(ray_address: str, tmp_path: Path) -> None:
    options = (
        "--users",
        "3",
        "--duration",
        "8s",
        "--set",
        "report.references=2",
        "--set",
        "model.steps=8",
    )
    with live(
        tmp_path / "run", ray_address, "--model", str(tiny.folder("sd3")), *QUICK, *options
    ) as running:
        assert running.end(200) == 0, running.text()
    rows = stock.done(tmp_path / "run")
    assert len(rows) >= 3
    assert all(
        (tmp_path / "run" / "images" / f"{row['request_id']}.png").stat().st_size > 100
        for row in rows
    )


@pytest.mark.gpu
@pytest.mark.parametrize("model", ["midstep-emoji", "bk-sdm-tiny"])
def test_a_gpu_runs_the_default_model_and_a_large_one(
    ray_address: str, tmp_path: Path, model: str
) -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no GPU here: `midstep run --device cuda` is not tested on this machine")
    path = model
    if model == "bk-sdm-tiny":
        from benchmarks.models import write

        path = str(tmp_path / model)
        write(model, Path(path))
    options = (
        "--device",
        "cuda",
        "--users",
        "4",
        "--duration",
        "20s",
        "--set",
        "hosts.gpus=0.25",
        "--set",
        "edges.0.gpus=0.5",
    )
    with live(tmp_path / "run", ray_address, "--model", path, *QUICK, *options) as running:
        assert running.end(300) == 0, running.text()
    assert len(stock.done(tmp_path / "run")) >= 4
