"""Stage C: text embeddings -> image embeddings. A flat stack of blocks at one resolution."""

import torch
from torch import Tensor, nn

from .blocks import AttentionBlock, ChannelNorm, Pointwise, ResBlock, TimestepBlock, embed_ratio


class Prior(nn.Module):
    def __init__(
        self,
        c_in: int = 16,
        c: int = 1280,
        c_cond: int = 1024,
        c_r: int = 64,
        depth: int = 16,
        nhead: int = 16,
        dropout: float = 0.1,  # part of the hub's config; training-only
    ):
        super().__init__()
        self.ratio_channels = c_r
        self.projection = Pointwise(c_in, c)
        self.cond_mapper = nn.Sequential(nn.Linear(c_cond, c), nn.LeakyReLU(0.2), nn.Linear(c, c))
        self.blocks = nn.ModuleList()
        for index in range(depth):
            self.blocks.append(ResBlock(c))
            self.blocks.append(TimestepBlock(c, c_r, start=index * 2 * c))
            self.blocks.append(AttentionBlock(c, c, nhead, index))
        self.out = nn.Sequential(ChannelNorm(), Pointwise(c, c_in * 2))

    @torch.jit.export
    def modulate(self, ratio: Tensor) -> Tensor:
        """Ratios of a whole schedule, (S,) float32 -> the modulation of every timestep block, (S, M)."""
        embedding = embed_ratio(ratio, self.ratio_channels).to(self.projection.weight.dtype)
        columns: list[Tensor] = []
        for block in self.blocks:
            columns += block.modulate(embedding)
        return torch.cat(columns, dim=1)

    @torch.jit.export
    def condition(self, text: Tensor) -> list[Tensor]:
        """Text embeddings (B, T, c_cond) -> what `step` needs of them, one (B, 2, heads, T, head_dim) per block."""
        mapped = self.cond_mapper(text)  # (B, T, c)
        entries: list[Tensor] = []
        for block in self.blocks:
            entries += block.condition(mapped)
        return entries

    @torch.jit.export
    def heads(self, x: Tensor, modulation: Tensor, condition: list[Tensor]) -> tuple[Tensor, Tensor]:
        """The two maps that the noise prediction is made of, each (B, c_in, h, w)."""
        x = self.projection(x.permute(0, 2, 3, 1))  # (B, h, w, c)
        skip = x[..., :0]
        for block in self.blocks:
            x = block(x, modulation, condition, skip)
        a, b = self.out(x).permute(0, 3, 1, 2).chunk(2, dim=1)
        return a, b

    @torch.jit.export
    def step(self, x: Tensor, modulation: Tensor, condition: list[Tensor]) -> Tensor:
        """Noisy latents (B, c_in, h, w), modulation (B, M) -> predicted noise (B, c_in, h, w)."""
        a, b = self.heads(x, modulation, condition)
        return (x - a) / ((1 - b).abs() + 1e-5)
