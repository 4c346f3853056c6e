"""The blocks that Stage B and Stage C share.

A stage is one flat list of mixed blocks (the hub's naming), and TorchScript unrolls that list, so every block answers
the same three calls (`Block`). It takes from the shared inputs only its own part, whose place it is told when built:

- `modulation` (B, M): scale and shift of all timestep blocks side by side, made by `modulate`;
- `condition`: what does not change between steps, made by `condition`; one entry per attention block holds its keys
  and values for the text, (B, 2, heads, T, head_dim);
- `skip` (B, H, W, C'): features that a residual block reads beside its own; no channels when it reads none.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ChannelNorm(nn.Module):
    """Layer norm over the channels, without an affine part."""

    def forward(self, x: Tensor) -> Tensor:  # (..., C)
        return F.layer_norm(x, [x.shape[-1]], eps=1e-6)


class Pointwise(nn.Conv2d):
    """A 1x1 convolution on a channels-last map: a linear layer with the hub's (out, in, 1, 1) weight."""

    def __init__(self, channels_in: int, channels_out: int, bias: bool = True):
        super().__init__(channels_in, channels_out, kernel_size=1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:  # (B, H, W, C) -> (B, H, W, C')
        return F.linear(x, self.weight.flatten(1), self.bias)


class Downsample(nn.Conv2d):
    """A strided convolution on a channels-last map."""

    def forward(self, x: Tensor) -> Tensor:  # (B, H, W, C) -> (B, H/2, W/2, C')
        x = F.conv2d(x.permute(0, 3, 1, 2), self.weight, self.bias, self.stride, self.padding)
        return x.permute(0, 2, 3, 1)


class Upsample(nn.ConvTranspose2d):
    """A strided transposed convolution on a channels-last map."""

    def forward(self, x: Tensor) -> Tensor:  # (B, H, W, C) -> (B, 2H, 2W, C')
        x = F.conv_transpose2d(x.permute(0, 3, 1, 2), self.weight, self.bias, self.stride, self.padding)
        return x.permute(0, 2, 3, 1)


class Depthwise(nn.Conv2d):
    """A depthwise convolution that keeps the size of a channels-last map."""

    def __init__(self, channels: int, kernel_size: int):
        super().__init__(channels, channels, kernel_size, padding=kernel_size // 2, groups=channels)

    def forward(self, x: Tensor) -> Tensor:  # (B, H, W, C)
        x = F.conv2d(x.permute(0, 3, 1, 2), self.weight, self.bias, padding=self.padding, groups=self.groups)
        return x.permute(0, 2, 3, 1)


class GlobalResponseNorm(nn.Module):
    """Channels compete: each is scaled by its share of the energy of the whole map (ConvNeXt V2)."""

    def __init__(self, channels: int):
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1, 1, 1, channels))
        self.beta = nn.Parameter(torch.zeros(1, 1, 1, channels))

    def forward(self, x: Tensor) -> Tensor:  # (B, H, W, C)
        energy = torch.linalg.vector_norm(x, dim=[1, 2], keepdim=True)  # (B, 1, 1, C)
        share = energy / (energy.mean(dim=-1, keepdim=True) + 1e-6)
        return torch.addcmul(x, x * share, self.gamma) + self.beta


class Block(nn.Module):
    """One entry of a stage's flat list; a kind of block overrides what it takes part in."""

    def modulate(self, embedding: Tensor) -> list[Tensor]:
        """Timestep embedding (S, ratio_channels) -> this block's columns of the modulation, if it has any."""
        return []

    def condition(self, text: Tensor) -> list[Tensor]:
        """Mapped text (B, T, C_text) -> this block's entry of the condition, if it has one."""
        return []


class ResBlock(Block):
    """Depthwise convolution, then a channel mixer that also reads `skip`; added to its input.

    `skip` joins after the norm (Stage B's form); Stage C has none, and the two forms are then the same.
    """

    def __init__(self, channels: int, skip_channels: int = 0, kernel_size: int = 3):
        super().__init__()
        self.reads_skip = skip_channels > 0
        self.depthwise = Depthwise(channels, kernel_size)
        self.norm = ChannelNorm()
        self.channelwise = nn.Sequential(
            nn.Linear(channels + skip_channels, channels * 4),
            nn.GELU(),
            GlobalResponseNorm(channels * 4),
            nn.Identity(),  # the reference's dropout: it holds no weights and does nothing at inference
            nn.Linear(channels * 4, channels),
        )

    def forward(self, x: Tensor, modulation: Tensor, condition: list[Tensor], skip: Tensor) -> Tensor:
        mixed = self.norm(self.depthwise(x))
        if self.reads_skip:
            mixed = torch.cat([mixed, skip], dim=-1)
        return x + self.channelwise(mixed)


class TimestepBlock(Block):
    """Scales and shifts the features by two vectors that depend on the timestep alone."""

    def __init__(self, channels: int, ratio_channels: int, start: int):
        super().__init__()
        self.channels = channels
        self.start = start  # of this block's 2 * channels columns in the modulation
        self.mapper = nn.Linear(ratio_channels, channels * 2)

    def modulate(self, embedding: Tensor) -> list[Tensor]:  # (S, ratio_channels) -> (S, 2C)
        return [self.mapper(embedding)]

    def forward(self, x: Tensor, modulation: Tensor, condition: list[Tensor], skip: Tensor) -> Tensor:
        scale = modulation[:, None, None, self.start : self.start + self.channels]
        shift = modulation[:, None, None, self.start + self.channels : self.start + 2 * self.channels]
        return torch.addcmul(x + shift, x, scale)


class Projections(nn.Module):
    """The four linear maps of an attention, under the hub's names."""

    def __init__(self, channels: int):
        super().__init__()
        self.to_q = nn.Linear(channels, channels)
        self.to_k = nn.Linear(channels, channels)
        self.to_v = nn.Linear(channels, channels)
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])


class AttentionBlock(Block):
    """Attention from the map to itself and to the text: keys are [map tokens, then text tokens]."""

    def __init__(self, channels: int, condition_channels: int, heads: int, index: int):
        super().__init__()
        self.heads = heads
        self.head_dim = channels // heads
        self.index = index  # of this block's text keys and values in the condition
        self.norm = ChannelNorm()
        self.attention = Projections(channels)
        self.kv_mapper = nn.Sequential(nn.SiLU(), nn.Linear(condition_channels, channels))

    def split(self, x: Tensor) -> Tensor:  # (B, N, C) -> (B, heads, N, head_dim)
        return x.unflatten(-1, [self.heads, self.head_dim]).transpose(1, 2)

    def condition(self, text: Tensor) -> list[Tensor]:  # (B, T, C_text) -> (B, 2, heads, T, head_dim)
        mapped = self.kv_mapper(text)
        keys = self.split(self.attention.to_k(mapped))
        values = self.split(self.attention.to_v(mapped))
        return [torch.stack([keys, values], dim=1)]

    def forward(self, x: Tensor, modulation: Tensor, condition: list[Tensor], skip: Tensor) -> Tensor:
        tokens = self.norm(x).flatten(1, 2)  # (B, H*W, C)
        text = condition[self.index]
        queries = self.split(self.attention.to_q(tokens))
        keys = torch.cat([self.split(self.attention.to_k(tokens)), text[:, 0]], dim=2)
        values = torch.cat([self.split(self.attention.to_v(tokens)), text[:, 1]], dim=2)
        attended = F.scaled_dot_product_attention(queries, keys, values)
        attended = attended.transpose(1, 2).flatten(2)  # (B, H*W, C)
        return x + self.attention.to_out[0](attended).view_as(x)


class Resample(Block):
    """Norm and strided convolution between two levels; the hub names them `.0` and `.1` of a sequence."""

    def __init__(self, conv: nn.Module):
        super().__init__()
        self.add_module("0", ChannelNorm())
        self.add_module("1", conv)

    def forward(self, x: Tensor, modulation: Tensor, condition: list[Tensor], skip: Tensor) -> Tensor:
        return getattr(self, "1")(getattr(self, "0")(x))


def embed_ratio(ratio: Tensor, channels: int, max_positions: float = 10000.0) -> Tensor:
    """Sinusoidal embedding of the timestep ratio, (S,) -> (S, channels), always in float32.

    In half precision `ratio * max_positions` loses whole periods of the fast frequencies.
    """
    half = channels // 2
    exponent = math.log(max_positions) / float(half - 1)
    frequencies = torch.arange(half, device=ratio.device).float().mul(-exponent).exp()
    angle = (ratio.float() * max_positions)[:, None] * frequencies[None, :]
    embedding = torch.cat([angle.sin(), angle.cos()], dim=1)
    return F.pad(embedding, [0, channels % 2])
