"""Looks at a picture and says what Stage C must imagine: the role of EfficientNet in the real Würstchen."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..networks.blocks import ChannelNorm, Downsample, Pointwise, ResBlock
from .configs import SEMANTIC_CHANNELS


class SemanticEncoder(nn.Module):
    """(B, 3, 96, 96) in [0, 1] -> image embeddings (B, 16, 6, 6) in (-1, 1).

    The output is bounded, so that training cannot buy precision by growing it.
    """

    def __init__(self, widths: tuple[int, ...] = (32, 64, 96, 128), blocks: int = 2):
        super().__init__()
        channels = (3, *widths)
        self.convs = nn.ModuleList(
            Downsample(before, after, kernel_size=4, stride=2, padding=1)
            for before, after in zip(channels, widths, strict=False)
        )
        self.norm = ChannelNorm()
        self.blocks = nn.ModuleList(ResBlock(widths[-1]) for _ in range(blocks))
        self.out = Pointwise(widths[-1], SEMANTIC_CHANNELS)

    def forward(self, pixels: Tensor) -> Tensor:
        x = pixels.permute(0, 2, 3, 1) * 2 - 1
        for index, conv in enumerate(self.convs):
            x = F.gelu(conv(x))
            if index > 0:
                x = self.norm(x)
        for block in self.blocks:
            x = block(x, torch.empty(0), [], x[..., :0])
        return self.out(self.norm(x)).tanh().permute(0, 3, 1, 2)
