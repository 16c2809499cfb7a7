"""Export the latest checkpoint of a run that goes on: ``python -m training.snapshot --out FOLDER``.

The averaged weights are usable long before the end, only blurrier.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from training import text, tokenizer, train, unet, vae
from training.export import export, pipeline
from training.paths import CACHE, MODEL, catalogue
from training.recipe import SHIPPED
from training.schedule import load


def snapshot(work: Path, folder: Path) -> int:
    """Write the pipeline from the checkpoints in ``work``; returns the UNet's step."""
    words = catalogue()
    tokens = tokenizer.load(work / "tokenizer")
    codec = vae.build()
    saved = load(work / "vae.pt")
    networks = unet.Denoiser(unet.build(), text.build(tokens))
    trained = load(work / "unet.pt")
    if saved is None or trained is None:
        raise FileNotFoundError(f"no checkpoints in {work}: train first")
    codec.load_state_dict(saved["average"])
    networks.load_state_dict(trained["average"])
    codec = train.scaled(codec.eval(), words, SHIPPED)
    export(pipeline(codec, networks.eval(), tokens), work / "tokenizer", folder)
    return int(trained["step"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=MODEL)
    parser.add_argument("--run", default="full", choices=("full", "quick"))
    args = parser.parse_args()
    print("exported step", snapshot(CACHE / args.run, args.out))
