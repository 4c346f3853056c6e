"""Trains the bundled model from nothing: `python -m scripts.bundled.train`. Interrupt and repeat as you like.

Every stage resumes from its checkpoint in the work folder, so a killed run loses at most a minute. Once Stage A, the
semantic encoder and the text encoder are there, `--stage decoder` and `--stage prior` may run side by side.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch

from . import tokenizer
from .configs import LATENT_SIZE, PICTURE_SIZE, SEMANTIC_CHANNELS, SEMANTIC_GRID, SEMANTIC_SIZE, TEXT_LENGTH
from .curves import plot
from .dataset import Drawings, derived, drawn, reduced_picture, whole_picture
from .sample import training_sheet
from .scene import Mix
from .train_decoder import train_decoder
from .train_prior import train_prior
from .train_semantic import load_encoder, train_semantic
from .train_text import train_text
from .train_vqgan import load_vqgan, train_vqgan
from .training import autocast

MIX = Mix(counts=(0.5, 0.44, 0.06), patterns=(0.86, 0.07, 0.07))
PICTURES_OF_VQGAN = 10_000  # it sees crops of them: more would teach it nothing
STAGES = ("vqgan", "semantic", "text", "decoder", "prior")


@torch.no_grad()
def make_latents(folder: Path, drawings: Drawings, device: torch.device) -> np.ndarray:
    """(count, 4, 32, 32) float16: every picture through Stage A, once."""
    path = folder / "latents.npy"
    vqgan = load_vqgan(folder, device)

    def encode(indices: list[int]) -> np.ndarray:
        pictures = torch.from_numpy(np.stack([drawings.picture(index) for index in indices]))
        with autocast(device):
            return vqgan.encode(pictures.to(device).permute(0, 3, 1, 2).float() / 255).float().cpu().numpy()

    return derived(path, drawings.count, (4, LATENT_SIZE, LATENT_SIZE), np.float16, encode)


@torch.no_grad()
def make_embeddings(folder: Path, reduced: np.ndarray, device: torch.device) -> np.ndarray:
    """(count, 16, 6, 6) float32 in (-1, 1): what the semantic encoder says of every picture."""
    encoder = load_encoder(folder, device)

    def encode(indices: list[int]) -> np.ndarray:
        pixels = torch.from_numpy(np.array(reduced[indices[0] : indices[-1] + 1])).to(device)
        return encoder(pixels.permute(0, 3, 1, 2).float() / 255).cpu().numpy()

    shape = (SEMANTIC_CHANNELS, SEMANTIC_GRID, SEMANTIC_GRID)
    return derived(folder / "embeddings.npy", len(reduced), shape, np.float32, encode)


def report(folder: Path, stage: str, device: torch.device) -> None:
    """A plot of all losses, and for the stages that make pictures a sheet of them."""
    losses = plot(folder, STAGES)
    if losses is not None:
        losses.save(folder / "losses.png")
    if stage in ("vqgan", "semantic", "decoder") or (stage == "prior" and (folder / "decoder.pt").exists()):
        training_sheet(folder, stage, device).save(folder / f"{stage}-sheet.png")


def inherit(start: Path, folder: Path) -> None:
    """Takes over what the latents and the embeddings of all pictures are made by."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("vqgan-final.pt", "semantic.pt"):
        shutil.copy(start / name, folder / name)
    shutil.copytree(start / "tokenizer", folder / "tokenizer", dirs_exist_ok=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--folder", type=Path, default=Path(".training"), help="checkpoints, and what is made of pictures"
    )
    parser.add_argument("--stage", choices=[*STAGES, "all"], default="all")
    parser.add_argument("--pictures", type=int, default=80_000)
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after so long; run again to go on")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument(
        "--from",
        dest="start",
        type=Path,
        help="the folder of another training (or of unpackage.py): its Stage A and semantic encoder stay as they are, "
        "all else begins with its weights",
    )
    parser.add_argument("--steps", type=int, help="of the one stage that is named")
    parser.add_argument(
        "--rate", type=float, help="the highest learning rate of a text encoder, Stage B or C, if one is named"
    )
    parser.add_argument("--batch", type=int, help="captions in a step of Stage C")
    parser.add_argument(
        "--layout", type=float, help="share of Stage C's batches that learns who stands where and nothing else"
    )
    parser.add_argument("--no-compile", action="store_true", help="do not use torch.compile")
    parser.add_argument("--seed", type=int, default=1, help="of the pictures")
    options = parser.parse_args()
    folder, device, workers = options.folder, torch.device(options.device), options.threads
    torch.set_num_threads(options.threads)
    until, compile = time.time() + 60 * options.minutes, not options.no_compile
    if options.steps is not None and options.stage == "all":
        parser.error("--steps is of one stage: name it with --stage")
    drawings = Drawings(options.pictures, options.seed, MIX)
    wanted = STAGES if options.stage == "all" else (options.stage,)
    if options.start is not None:
        inherit(options.start, folder)
        wanted = tuple(stage for stage in wanted if stage not in ("vqgan", "semantic"))
    if not (folder / "tokenizer").exists():
        learned = tokenizer.train(tokenizer.training_captions(20_000, options.seed))
        tokenizer.save(learned, folder / "tokenizer", TEXT_LENGTH)

    def going(stage: str) -> dict:
        begun = {"until": until, "report": partial(report, folder, stage, device)}
        if stage in ("text", "decoder", "prior"):
            begun["start"] = options.start
        if stage in ("text", "decoder", "prior") and options.rate is not None:
            begun["rate"] = options.rate
        if stage == "prior":
            begun |= {name: value for name in ("batch", "layout") if (value := getattr(options, name)) is not None}
        return begun if options.steps is None else {**begun, "steps": options.steps}

    if "vqgan" in wanted:
        few = Drawings(min(options.pictures, PICTURES_OF_VQGAN), options.seed, MIX)
        shape = (PICTURE_SIZE, PICTURE_SIZE, 3)
        pictures = drawn(folder / "pictures.npy", few, whole_picture, shape, workers)
        if not train_vqgan(folder, pictures, device, **going("vqgan")):
            return
    if "text" in wanted and not train_text(folder, MIX, device, **going("text"), compile=compile):
        return
    if wanted in (("vqgan",), ("text",)):
        return
    scenes = drawings.scenes()
    reduced = drawn(folder / "reduced.npy", drawings, reduced_picture, (SEMANTIC_SIZE, SEMANTIC_SIZE, 3), workers)
    if "semantic" in wanted and not train_semantic(
        folder, reduced, drawings, scenes, device, **going("semantic"), compile=compile
    ):
        return
    embeddings = make_embeddings(folder, reduced, device)
    if "decoder" in wanted:
        latents = make_latents(folder, drawings, device)
        train_decoder(folder, embeddings, latents, scenes, device, **going("decoder"), compile=compile)
    if "prior" in wanted:
        deviation = embeddings.std()
        train_prior(folder, embeddings / deviation, drawings, scenes, device, **going("prior"), compile=compile)


if __name__ == "__main__":
    main()
