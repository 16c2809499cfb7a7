"""Find, load and identify a diffusers text-to-image pipeline: a shipped name, a local folder, or a
hub id."""

from __future__ import annotations

import hashlib
import importlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from midstep.errors import ModelError, ScenarioError
from midstep.home import in_home
from midstep.wire.identity import PipelineIdentity, digest

__all__ = [
    "MODELS",
    "SCHEDULERS",
    "catalogue_file",
    "check_size",
    "default_size",
    "identify",
    "is_xl",
    "load",
    "locate",
    "model_files",
    "pick_device",
    "revision",
    "settle",
    "shipped",
    "weight_bytes",
    "weight_files",
]

MODELS = Path(__file__).parents[1] / "models"
OF_THE_MODEL = {".json", ".safetensors", ".bin", ".txt", ".model"}  # what a revision is of
WEIGHTS = {".safetensors", ".bin"}
ABOUT = {"quality.json", "catalogue.json", "reuse.json"}  # about the model, not of it
# the scenario's name -> class and changed settings; `default` keeps the pipeline's own
SCHEDULERS = {
    "ddim": ("DDIMScheduler", {}),
    "dpm++2m": (
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "dpmsolver++", "solver_order": 2},
    ),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler-a": ("EulerAncestralDiscreteScheduler", {}),
    "flow-euler": ("FlowMatchEulerDiscreteScheduler", {}),
}


def shipped() -> list[str]:
    """Names of the pipelines in the package."""
    return sorted(path.parent.name for path in MODELS.glob("*/model_index.json"))


def locate(model: str) -> str:
    """A folder's path or a hub id for what the user wrote. Raises ModelError for a folder that is
    none."""
    if model in shipped():
        return str(MODELS / model)
    path = in_home(model)
    if (path / "model_index.json").is_file():
        return str(path)
    if path.exists():
        raise ModelError(
            f"model.path: {model} has no model_index.json: it is not a diffusers pipeline folder"
        )
    if model.count("/") == 1 and not model.startswith((".", "/", "~")):
        return model
    raise ModelError(
        f"model.path: no folder {model}, and no shipped model of that name (there is: "
        f"{', '.join(shipped()) or 'none'})"
    )


def load(model: str, dtype: str, device: str, scheduler: str = "default") -> Any:
    """The pipeline, on `device`, with the scheduler that the scenario names. Raises ModelError, one
    line."""
    where = locate(model)
    import torch

    diffusers = _quiet_diffusers()
    try:
        pipe = diffusers.DiffusionPipeline.from_pretrained(where, dtype=getattr(torch, dtype))
    except Exception as error:
        raise ModelError(f"model.path: {model} {_unloadable(error)}") from error
    if scheduler != "default":
        name, settings = SCHEDULERS[scheduler]
        if ("FlowMatch" in name) != ("FlowMatch" in type(pipe.scheduler).__name__):
            raise ModelError(
                f"model.scheduler: {scheduler} does not fit {type(pipe).__name__}; use default"
            )
        pipe.scheduler = getattr(diffusers, name).from_config(pipe.scheduler.config, **settings)
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(pick_device(device))


def _unloadable(error: Exception) -> str:
    """Why a pipeline cannot be loaded: in our words where the hub could not be reached."""
    cause: BaseException | None = error
    while cause is not None:
        if (
            isinstance(cause, ConnectionError | socket.gaierror)
            or "Connect" in type(cause).__name__
        ):
            return (
                f"is not in this machine's cache, and the hub cannot be reached ({cause}): load it "
                f"once where there is a network, or name a folder or a shipped model "
                f"({', '.join(shipped())})"
            )
        cause = cause.__cause__ or cause.__context__
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return f"cannot be loaded as a diffusers pipeline: {reason}"


def pick_device(device: str) -> str:
    """`auto` is the GPU where there is one. Raises ModelError for a GPU that is not there."""
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ModelError(
            f"model.device: {device} was asked for, torch sees no GPU; use auto or cpu"
        )
    return device


def is_xl(pipe: Any) -> bool:
    """Whether a pipeline of the SD 1.x and SDXL families is of the latter."""
    return "StableDiffusionXL" in type(pipe).__name__


def settle(device: Any) -> None:
    """Wait for what was launched on a GPU, so that whoever reads a clock next measures the work and
    not its launch."""
    if getattr(device, "type", "cpu") == "cuda":
        import torch

        torch.cuda.synchronize(device)


def identify(
    pipe: Any, model: str, steps: int, guidance: float, height: int, width: int, dtype: str
) -> PipelineIdentity:
    """The complete identity of this pipeline's outputs."""
    return PipelineIdentity(
        model=model,
        revision=revision(locate(model)),
        scheduler=type(pipe.scheduler).__name__,
        scheduler_config=digest(
            {k: repr(v) for k, v in pipe.scheduler.config.items() if not k.startswith("_")}
        ),
        steps=steps,
        guidance=guidance,
        height=height,
        width=width,
        dtype=dtype,
    )


def revision(where: str) -> str:
    """A digest of the model folder's files, or the hub's snapshot of a hub id."""
    folder = Path(where)
    if not folder.is_dir():
        hub = importlib.import_module("huggingface_hub")
        folder = Path(
            hub.snapshot_download(where, local_files_only=True, allow_patterns=["model_index.json"])
        )
        return folder.name
    total = hashlib.blake2b(digest_size=16)
    for path in model_files(folder):
        if path.suffix not in OF_THE_MODEL or path.name in ABOUT or "profiles" in path.parts:
            continue
        total.update(f"{path.relative_to(folder).as_posix()}\x00".encode())
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "blake2b").digest())
    return total.hexdigest()


def model_files(folder: Path, above: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """A model folder's files, sorted, those of symlinked components too: many save disk that way.

    `above` are the folders that lead here: a link back to one of them is not followed.
    """
    real = folder.resolve()
    if real in above:
        return
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            yield from model_files(path, above | {real})
        else:
            yield path


def weight_files(folder: Path) -> Iterator[Path]:
    """A model folder's weight files, sorted."""
    return (path for path in model_files(folder) if path.suffix in WEIGHTS)


def default_size(pipe: Any) -> tuple[int, int]:
    """The pipeline's own height and width, in pixels."""
    core = getattr(pipe, "unet", None) or pipe.transformer
    sample = getattr(pipe, "default_sample_size", None) or core.config.sample_size
    height, width = (sample, sample) if isinstance(sample, int) else sample
    return int(height * pipe.vae_scale_factor), int(width * pipe.vae_scale_factor)


def check_size(pipe: Any, height: int, width: int) -> None:
    """Raise ScenarioError unless the pipeline draws just this size: a latent has whole rows."""
    factor = int(pipe.vae_scale_factor)
    core = getattr(pipe, "unet", None)
    if core is None:
        patch = int(getattr(pipe.transformer.config, "patch_size", 1))
        factor *= max(patch, 2 if "Flux" in type(pipe).__name__ else 1)  # Flux packs 2 x 2 itself
    for name, pixels in (("height", height), ("width", width)):
        if pixels % factor:
            raise ScenarioError(
                f"model.{name}: {pixels} is no multiple of {factor}, which this pipeline's "
                f"latents need; give {max(1, round(pixels / factor)) * factor}"
            )


def weight_bytes(model: str) -> int:
    """Bytes of a local model's weight files; 0 for a hub id that has not been asked for yet."""
    return sum(path.stat().st_size for path in weight_files(Path(locate(model))))


def catalogue_file(model: str) -> Path | None:
    """The catalogue of prompts that comes with a model folder, if one does."""
    folder = MODELS / model
    path = (folder if folder.is_dir() else in_home(model)) / "catalogue.json"
    return path if path.is_file() else None


def _quiet_diffusers() -> Any:
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    transformers = importlib.import_module("transformers")
    transformers.logging.set_verbosity_error()  # first: importing diffusers makes it talk
    diffusers = importlib.import_module("diffusers")
    diffusers.logging.set_verbosity_error()  # a tiny autoencoder in a pipeline is no reason to warn
    for library in (diffusers, transformers):
        library.logging.disable_progress_bar()
    return diffusers
