"""Trains the bundled model from nothing: `python -m scripts.bundled.train`. Interrupt and repeat as you like.

Every stage resumes from its checkpoint in the work folder, so a killed run loses at most a minute.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from pathlib import Path

import numpy as np
import torch

from . import tokenizer
from .configs import LATENT_SIZE, SEMANTIC_CHANNELS, SEMANTIC_GRID, SEMANTIC_SIZE, TEXT_LENGTH
from .dataset import derived, pictures, reduce, scene_of
from .scene import Mix
from .train_decoder import load_encoder, train_decoder
from .train_prior import train_prior
from .train_vqgan import load_vqgan, train_vqgan
from .training import autocast

MIX = Mix(counts=(0.7, 0.26, 0.04), patterns=(0.9, 0.05, 0.05))


@torch.no_grad()
def make_latents(folder: Path, drawn: np.ndarray, device: torch.device) -> np.ndarray:
    """(count, 4, 32, 32) float16: every picture through Stage A, once."""
    vqgan = load_vqgan(folder, device)

    def encode(batch: np.ndarray) -> np.ndarray:
        pixels = torch.from_numpy(batch).to(device).permute(0, 3, 1, 2).float() / 255
        with autocast(device):
            return vqgan.encode(pixels).float().cpu().numpy()

    shape = (4, LATENT_SIZE, LATENT_SIZE)
    return derived(folder / "latents.npy", drawn, shape, np.float16, encode)


def make_reduced(folder: Path, drawn: np.ndarray) -> np.ndarray:
    shape = (SEMANTIC_SIZE, SEMANTIC_SIZE, 3)
    return derived(
        folder / "reduced.npy", drawn, shape, np.uint8, lambda batch: np.stack([reduce(one) for one in batch])
    )


@torch.no_grad()
def make_embeddings(folder: Path, reduced: np.ndarray, device: torch.device) -> tuple[np.ndarray, float]:
    """(count, 16, 6, 6) float32 of unit deviation, and the deviation they had."""
    encoder = load_encoder(folder, device)

    def encode(batch: np.ndarray) -> np.ndarray:
        return encoder(torch.from_numpy(batch).to(device).permute(0, 3, 1, 2).float() / 255).cpu().numpy()

    shape = (SEMANTIC_CHANNELS, SEMANTIC_GRID, SEMANTIC_GRID)
    embeddings = derived(folder / "embeddings.npy", reduced, shape, np.float32, encode)
    deviation = float(embeddings.std())
    return embeddings / deviation, deviation


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(".training"), help="checkpoints and drawn pictures")
    parser.add_argument("--stage", choices=["vqgan", "decoder", "prior", "all"], default="all")
    parser.add_argument("--pictures", type=int, default=40_000)
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after so long; run again to go on")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--no-compile", action="store_true", help="do not use torch.compile")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    until = time.time() + 60 * options.minutes
    device = torch.device(options.device)
    drawn = pictures(options.folder, options.pictures, options.seed, MIX, options.threads)
    scenes = [scene_of(index, options.seed, MIX) for index in range(options.pictures)]
    if not (options.folder / "tokenizer").exists():
        learned = tokenizer.train(tokenizer.training_captions(20_000, options.seed))
        tokenizer.save(learned, options.folder / "tokenizer", TEXT_LENGTH)

    if options.stage in ("vqgan", "all"):
        train_vqgan(options.folder, drawn, device, until=until)
    if options.stage == "vqgan":
        return
    reduced = make_reduced(options.folder, drawn)
    if options.stage in ("decoder", "all"):
        latents = make_latents(options.folder, drawn, device)
        train_decoder(options.folder, reduced, latents, scenes, device, until=until, compile=not options.no_compile)
    if options.stage in ("prior", "all"):
        embeddings, _ = make_embeddings(options.folder, reduced, device)
        train_prior(options.folder, embeddings, scenes, device, until=until, compile=not options.no_compile)


if __name__ == "__main__":
    main()
