"""Stage A: learns to keep a picture in 4 channels at an eighth of its size, and to give it back."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..networks import Vqgan
from .configs import CONFIGS
from .training import Plan, Trainer

CROP = 128
BATCH = 16
LATENT_NOISE = 0.05


def initialise(vqgan: Vqgan) -> None:
    """The reference starts its gates at zero; from nothing, half open learns faster."""
    for name, parameter in vqgan.named_parameters():
        if name.endswith("gammas"):
            with torch.no_grad():
                parameter.copy_(torch.tensor([0.0, 0.0, 0.5, 0.0, 0.0, 0.5]))


def crops(pictures: np.ndarray, generator: torch.Generator, count: int) -> Tensor:
    """(count, 3, CROP, CROP) in [0, 1]."""
    chosen = torch.randint(len(pictures), (count,), generator=generator).tolist()
    span = pictures.shape[1] - CROP + 1
    corners = torch.randint(span, (count, 2), generator=generator).tolist()
    stack = [
        pictures[index, top : top + CROP, left : left + CROP]
        for index, (top, left) in zip(chosen, corners, strict=True)
    ]
    return torch.from_numpy(np.stack(stack)).permute(0, 3, 1, 2).float() / 255


@torch.no_grad()
def whiten(vqgan: Vqgan, pictures: np.ndarray, device: torch.device) -> None:
    """Gives each latent channel zero mean and unit deviation; the decoder's first layer undoes it exactly."""
    generator = torch.Generator().manual_seed(7)
    latents = torch.cat([vqgan.encode(crops(pictures, generator, 32).to(device)) for _ in range(24)])
    mean, deviation = latents.mean(dim=(0, 2, 3)), latents.std(dim=(0, 2, 3))
    norm, first = vqgan.down_blocks[-1][1], vqgan.up_blocks[0][0]
    norm.weight.div_(deviation)
    norm.bias.sub_(mean).div_(deviation)
    first.bias.add_(first.weight.flatten(1) @ mean)
    first.weight.mul_(deviation[None, :, None, None])


def train_vqgan(
    folder: Path,
    pictures: np.ndarray,
    device: torch.device,
    seed: int = 1,
    steps: int = 3000,
    until: float = math.inf,
    report: Callable[[], None] | None = None,
) -> bool:
    torch.manual_seed(seed)
    vqgan = Vqgan(**CONFIGS.vqgan)
    initialise(vqgan)
    trainer = Trainer(
        "vqgan", folder, nn.ModuleDict({"vqgan": vqgan}), Plan(steps, 2e-3, ema_decay=0.995), seed, device
    )

    def loss(step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        pixels = crops(pictures, generator, BATCH).to(device)
        latents = vqgan.encode(pixels)
        noise = torch.randn(latents.shape, generator=generator).to(device)
        rebuilt = vqgan.reconstruct(latents + LATENT_NOISE * noise)
        error = rebuilt.float() - pixels
        # The penalty keeps the latents' scale, so that the noise above keeps its meaning.
        value = error.abs().mean() + 4 * error.square().mean() + 2e-4 * latents.square().mean()
        return value, {
            "levels": 255 * error.detach().abs().mean().item(),
            "scale": latents.detach().std().item(),
        }

    done = trainer.run(loss, until, report)
    if done and not (folder / "vqgan-final.pt").exists():
        final = trainer.average["vqgan"].eval()
        whiten(final, pictures, device)
        torch.save(final.state_dict(), folder / "vqgan-final.pt")
    return done


def load_vqgan(folder: Path, device: torch.device) -> Vqgan:
    vqgan = Vqgan(**CONFIGS.vqgan)
    vqgan.load_state_dict(torch.load(folder / "vqgan-final.pt", weights_only=True))
    return vqgan.to(device).eval().requires_grad_(False)
