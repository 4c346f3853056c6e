"""A look at image embeddings without Stage B and A: a small picture, long before the large one. Ours; the hub has none."""

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import ChannelNorm, Upsample


class Previewer(nn.Module):
    """Each of its levels doubles the size; the last ends in pixels."""

    def __init__(self, c_in: int = 16, c_hidden: tuple[int, ...] | list[int] = (96, 64, 32)):
        super().__init__()
        self.first = nn.Conv2d(c_in, c_hidden[0], 3, padding=1)
        self.ups = nn.ModuleList(
            Upsample(before, after, kernel_size=4, stride=2, padding=1)
            for before, after in itertools.pairwise((*c_hidden, 3))
        )
        self.norm = ChannelNorm()

    @torch.jit.export
    def decode(self, image: Tensor) -> Tensor:
        """Image embeddings (B, c_in, h, w) -> pixels (B, 3, 8h, 8w) in [0, 1]."""
        return self.forward(image).clamp(0, 1)

    def forward(self, image: Tensor) -> Tensor:
        """The same, and a little beyond: what training compares."""
        x = self.first(image).permute(0, 2, 3, 1)
        for up in self.ups:
            x = up(F.gelu(self.norm(x)))
        return x.permute(0, 3, 1, 2)
