"""Writes the trained model in the hub's layout, in float16: `python -m scripts.bundled.package`."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from ..configurations import Component, component
from ..hub_layout import DEFAULT_WEIGHTS, Checkpoint, cast, write_checkpoint
from . import tokenizer
from .configs import CONFIGS, GUIDANCE_SCALE, LATENT_SIZE, PICTURE_SIZE, SEMANTIC_GRID, STEPS
from .train_semantic import load_encoder
from .training import trained

LIMIT_BYTES = 24_000_000
CARD = """# shapes

A small Würstchen that draws coloured shapes and things from captions such as "a red circle on a blue background". It
was trained from nothing on pictures that its own scripts draw. It comes with the `wuerstchen` package, so that the
first picture needs no download. Same classes, files and code path as the real checkpoints; only the config is small.
"""


def components(vocabulary: int) -> tuple[Component, ...]:
    return (
        component("prior_text_encoder", "CLIPTextModel", {"vocab_size": vocabulary, **CONFIGS.prior_text_encoder}),
        component("prior", "WuerstchenPrior", CONFIGS.prior),
        component("text_encoder", "CLIPTextModel", {"vocab_size": vocabulary, **CONFIGS.text_encoder}),
        component("decoder", "WuerstchenDiffNeXt", CONFIGS.decoder),
        component("vqgan", "PaellaVQModel", CONFIGS.vqgan),
        component("previewer", "WuerstchenPreviewer", CONFIGS.previewer),
    )


def newest(folder: Path, start: Path | None, stage: str) -> Path:
    """The checkpoint of a stage, or of the training that this one began with."""
    path = folder / f"{stage}.pt"
    return path if start is None or path.exists() else start / path.name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(".training"), help="where training keeps its checkpoints")
    parser.add_argument("--out", type=Path, default=Path("models/shapes"))
    parser.add_argument("--from", dest="start", type=Path, help="where a Stage B or C is that was not trained on")
    options = parser.parse_args()
    first, second = (newest(options.folder, options.start, stage) for stage in ("prior", "decoder"))
    weights = {
        "prior_text_encoder": trained(first, "text"),
        "prior": trained(first, "prior"),
        "text_encoder": trained(second, "text"),
        "decoder": trained(second, "decoder"),
        "previewer": trained(options.folder / "semantic.pt", "rebuilder"),
        "vqgan": torch.load(options.folder / "vqgan-final.pt", weights_only=True, map_location="cpu"),
    }
    vocabulary = tokenizer.load(options.folder / "tokenizer").get_vocab_size()
    deviation = float(np.load(options.folder / "embeddings.npy").std())
    checkpoint = Checkpoint(
        components(vocabulary),
        lambda name: cast(weights[name], torch.float16),
        options.folder / "tokenizer",
        latent_mean=deviation,
        latent_std=0.0,
        resolution_multiple=42.67,
        latent_dim_scale=round(LATENT_SIZE / SEMANTIC_GRID + 0.005, 2),  # 5.34: diffusers rounds down
        default_size=(PICTURE_SIZE, PICTURE_SIZE),
        default_guidance_scale=GUIDANCE_SCALE,
        default_steps=STEPS,
        card=CARD,
    )
    prior = options.out.with_name(f"{options.out.name}-prior")
    write_checkpoint(checkpoint, options.out, prior)
    # No part of the pipelines: kept so that training can go on from the released weights.
    encoder = load_encoder(options.folder, torch.device("cpu")).state_dict()
    (options.out / "semantic_encoder").mkdir(exist_ok=True)
    save_file(cast(encoder, torch.float16), options.out / "semantic_encoder" / DEFAULT_WEIGHTS)
    size = sum(path.stat().st_size for folder in (options.out, prior) for path in folder.rglob("*.safetensors"))
    print(f"{options.out}: {size / 1e6:.1f} MB of weights")
    if size > LIMIT_BYTES:
        raise ValueError(f"Expected the weights to take at most {LIMIT_BYTES} bytes but received {size}")


if __name__ == "__main__":
    main()
