"""The paper's noise schedule and sampler, in torch: for training and for sample sheets."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import torch
from torch import Tensor

_S = 0.008
_START = math.cos(_S / (1 + _S) * math.pi / 2) ** 2


def alpha_cumprod(ratio: Tensor) -> Tensor:
    """Share of the signal's variance at ratio t in [0, 1]: cosine schedule, clamped as the reference does."""
    return (((ratio + _S) / (1 + _S) * math.pi / 2).cos().square() / _START).clamp(1e-4, 0.9999)


def add_noise(clean: Tensor, noise: Tensor, ratio: Tensor) -> Tensor:
    share = alpha_cumprod(ratio).view(-1, 1, 1, 1)
    return share.sqrt() * clean + (1 - share).sqrt() * noise


@torch.no_grad()
def sample(
    predict: Callable[[Tensor, Tensor], Tensor], shape: tuple[int, ...], steps: int, generator: torch.Generator
) -> Tensor:
    """Ancestral (DDPM) sampling from pure noise; `predict(x, ratio)` gives the noise in x."""
    ratios = torch.linspace(1, 0, steps + 1)
    x = torch.randn(shape, generator=generator)
    for ratio, target in itertools.pairwise(ratios):
        share, share_next = alpha_cumprod(ratio), alpha_cumprod(target)
        alpha = share / share_next
        epsilon = predict(x, ratio.expand(shape[0])).float().cpu()
        x = (x - (1 - alpha) * epsilon / (1 - share).sqrt()) / alpha.sqrt()
        if target > 0:
            deviation = ((1 - alpha) * (1 - share_next) / (1 - share)).sqrt()
            x = x + deviation * torch.randn(shape, generator=generator)
    return x
