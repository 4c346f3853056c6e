"""Stage C: from a caption to the image embeddings that the semantic encoder would give.

Its text encoder stays as it is, as the real one's CLIP did. Trained along, it forgot within some thousand steps which
word stands where, before Stage C had begun to use it, and relations were never learnt.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..networks import Prior
from .configs import CONFIGS
from .diffusion import add_noise, alpha_cumprod
from .scene import Scene
from .training import Plan, Trainer, compiled, trained
from .words import Captions, make_text_encoder

BATCH = 96
CAPTION_DROPOUT = 0.05  # what guidance needs


def initialise(prior: Prior) -> None:
    """The authors' start: small residual branches and an output that predicts x itself."""
    for name, parameter in prior.named_parameters():
        if name.endswith((".mapper.weight", "out.1.weight", "out.1.bias")):
            nn.init.zeros_(parameter)
        elif name.endswith(("channelwise.4.weight", "to_out.0.weight")):
            with torch.no_grad():
                parameter.mul_(0.3)


def draw_ratios(count: int, generator: torch.Generator) -> Tensor:
    uniform = torch.rand(count, generator=generator)
    high = torch.rand(count, generator=generator) < 0.5
    return torch.where(high, 1 - 0.35 * uniform.square(), uniform).clamp(0.001, 1)


def train_prior(
    folder: Path,
    embeddings: np.ndarray,
    scenes: list[Scene],
    device: torch.device,
    seed: int = 3,
    steps: int = 10_000,
    until: float = math.inf,
    report: Callable[[], None] | None = None,
    compile: bool = False,
    start: Path | None = None,
    rate: float = 6e-4,
) -> bool:
    """`embeddings` (count, 16, 6, 6): normalised to unit deviation over all. `start`: a folder with a trained Stage C."""
    torch.manual_seed(seed)
    prior = Prior(**CONFIGS.prior)
    if start is None:
        initialise(prior)
    else:
        prior.load_state_dict(trained(start / "prior.pt", "prior"))
    modules = nn.ModuleDict(
        {"text": make_text_encoder(CONFIGS.prior_text_encoder, folder / "tokenizer"), "prior": prior}
    )
    modules["text"].load_state_dict(trained(folder / "text.pt", "text"))
    modules["text"].requires_grad_(False)
    trainer = Trainer("prior", folder, modules, Plan(steps, rate, warmup=300), seed, device)
    captions = Captions(folder / "tokenizer", scenes, CAPTION_DROPOUT)

    def predict_noise(ids: Tensor, mask: Tensor, noisy: Tensor, ratios: Tensor) -> Tensor:
        text = modules["text"].encode(ids, mask)
        return prior.step(noisy, prior.modulate(ratios), prior.condition(text))

    predict_noise = compiled(predict_noise, compile)

    def loss(step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        chosen = torch.randint(len(embeddings), (BATCH,), generator=generator).tolist()
        clean = torch.from_numpy(embeddings[chosen]).to(device).float()
        ids, mask = captions(chosen, seed * 7_000_003 + step)
        ratios = draw_ratios(BATCH, generator).to(device)
        noise = torch.randn(clean.shape, generator=generator).to(device)
        noisy = add_noise(clean, noise, ratios)
        predicted = predict_noise(ids.to(device), mask.to(device), noisy, ratios).float()
        share = alpha_cumprod(ratios)
        weight = ((1 - share) / share).clamp(0.3, 10)
        error = (predicted - noise).square().mean(dim=(1, 2, 3))
        # The network divides by |1 - b|: where that is tiny, one sample would outweigh all others.
        error = error / (1 + error / 5)
        return (weight * error).mean(), {}

    return trainer.run(loss, until, report)
