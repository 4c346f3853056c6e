"""Stage B with its text encoder: from what a picture means back to Stage A's latents.

First only middling noise, where what to draw is learnt soonest; then all of the schedule, most of it near pure noise.
Always with some noise on the embeddings, because Stage C's will not be perfect either.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..networks import Decoder
from .configs import CONFIGS
from .diffusion import add_noise, alpha_cumprod
from .scene import Scene
from .training import Plan, Trainer, compiled, trained
from .words import Captions, make_text_encoder

BATCH = 32
MIDDLING_STEPS = 1000  # of the plan: only ratios in [0.6, 0.97]
TEXT_DROPOUT = 0.3  # the embeddings must carry the picture by themselves
IMAGE_DROPOUT = 0.05  # what guidance needs
IMAGE_NOISE = 0.3  # at most


def initialise(network: Decoder) -> None:
    """The authors' start: small residual branches, no modulation, and an output that says 'all of it is noise'."""
    for name, parameter in network.named_parameters():
        if name.endswith(".mapper.weight"):
            nn.init.zeros_(parameter)
        elif name.endswith(("channelwise.4.weight", "to_out.0.weight")):
            with torch.no_grad():
                parameter.mul_(0.3)
    out = network.clf[1]
    nn.init.zeros_(out.weight)
    nn.init.zeros_(out.bias)
    with torch.no_grad():  # the b channels are the second half: pixel shuffle keeps whole channels together
        out.bias[out.bias.shape[0] // 2 :] = 4.0  # b = sigmoid(4), near one; a = 0


def draw_ratios(middling: bool, count: int, generator: torch.Generator) -> Tensor:
    uniform = torch.rand(count, generator=generator)
    if middling:
        return 0.6 + 0.37 * uniform
    high = torch.rand(count, generator=generator) < 0.6
    return torch.where(high, 1 - 0.35 * uniform.square(), uniform).clamp(0.001, 1)


def decoder_loss(predicted: Tensor, noise: Tensor, ratios: Tensor) -> Tensor:
    """Squared error of the noise, weighted towards that of the clean latents it implies; (B,)."""
    share = alpha_cumprod(ratios)
    weight = ((1 - share) / share).clamp(max=25)
    return weight * (predicted.float() - noise).square().mean(dim=(1, 2, 3))


def train_decoder(
    folder: Path,
    embeddings: np.ndarray,
    latents: np.ndarray,
    scenes: list[Scene],
    device: torch.device,
    seed: int = 2,
    steps: int = 12_000,
    until: float = math.inf,
    report: Callable[[], None] | None = None,
    compile: bool = False,
    start: Path | None = None,
    rate: float = 1e-3,
) -> bool:
    """`embeddings` (count, 16, 6, 6) as the semantic encoder gives them; `latents` (count, 4, 32, 32), of the first
    pictures or of all. `start`: a folder with a trained Stage B, which needs no middling noise first."""
    torch.manual_seed(seed)
    decoder = Decoder(**CONFIGS.decoder)
    initialise(decoder)
    modules = nn.ModuleDict({"text": make_text_encoder(CONFIGS.text_encoder, folder / "tokenizer"), "decoder": decoder})
    if start is not None:
        for name, module in modules.items():
            module.load_state_dict(trained(start / "decoder.pt", name))
    trainer = Trainer("decoder", folder, modules, Plan(steps, rate, warmup=200), seed, device)
    captions = Captions(folder / "tokenizer", scenes, TEXT_DROPOUT)
    height, width = latents.shape[-2:]

    def predict_noise(ids: Tensor, mask: Tensor, image: Tensor, noisy: Tensor, ratios: Tensor) -> Tensor:
        text = modules["text"].encode(ids, mask)
        condition = decoder.condition(text, image, height, width)
        return decoder.step(noisy, decoder.modulate(ratios), condition)

    predict_noise = compiled(predict_noise, compile)

    def imperfect(image: Tensor, generator: torch.Generator) -> Tensor:
        amount = IMAGE_NOISE * torch.rand(BATCH, 1, 1, 1, generator=generator)
        kept = torch.rand(BATCH, 1, 1, 1, generator=generator) > IMAGE_DROPOUT
        return (image + amount * torch.randn(image.shape, generator=generator)) * kept

    def loss(step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        chosen = torch.randint(len(latents), (BATCH,), generator=generator).tolist()
        clean = torch.from_numpy(latents[chosen]).to(device).float()
        image = imperfect(torch.from_numpy(embeddings[chosen]).float(), generator).to(device)
        ids, mask = captions(chosen, seed * 7_000_003 + step)
        ratios = draw_ratios(start is None and step < MIDDLING_STEPS, BATCH, generator).to(device)
        noise = torch.randn(clean.shape, generator=generator).to(device)
        noisy = add_noise(clean, noise, ratios)
        predicted = predict_noise(ids.to(device), mask.to(device), image, noisy, ratios)
        value = decoder_loss(predicted, noise, ratios)
        with torch.no_grad():
            share = alpha_cumprod(ratios).view(-1, 1, 1, 1)
            implied = (noisy - (1 - share).sqrt() * predicted) / share.sqrt()
            middling = (ratios > 0.7) & (ratios < 0.95)
            error = F.mse_loss(implied[middling], clean[middling]).item() if middling.any() else 0.0
        return value.mean(), {"clean": error}

    return trainer.run(loss, until, report)
