"""Stage A: pixels <-> latents. A small autoencoder of mixing blocks; the quantiser of its training is not used."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import ChannelNorm, Downsample, Pointwise, Upsample


class ReplicationDepthwise(nn.Conv2d):
    """A 3x3 depthwise convolution whose border repeats the edge pixels."""

    def __init__(self, channels: int):
        super().__init__(channels, channels, kernel_size=3, groups=channels)

    def forward(self, x: Tensor) -> Tensor:  # (B, H, W, C)
        x = F.pad(x.permute(0, 3, 1, 2), [1, 1, 1, 1], mode="replicate")
        x = x.contiguous(memory_format=torch.channels_last)  # padding falls back to NCHW memory
        return F.conv2d(x, self.weight, self.bias, groups=self.groups).permute(0, 2, 3, 1)


class MixingBlock(nn.Module):
    """Depthwise and channel mixing, each with a learned scalar scale, shift and gate."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = ChannelNorm()
        self.depthwise = nn.Sequential(nn.Identity(), ReplicationDepthwise(channels))
        self.channelwise = nn.Sequential(
            nn.Linear(channels, channels * 4), nn.GELU(), nn.Linear(channels * 4, channels)
        )
        self.gammas = nn.Parameter(torch.zeros(6))

    def forward(self, x: Tensor) -> Tensor:  # (B, H, W, C)
        g = self.gammas
        x = x + self.depthwise(self.norm(x) * (1 + g[0]) + g[1]) * g[2]
        return x + self.channelwise(self.norm(x) * (1 + g[3]) + g[4]) * g[5]


class LatentNorm(nn.BatchNorm2d):
    """Batch norm of the latents with its running statistics, on a channels-last map."""

    def forward(self, x: Tensor) -> Tensor:  # (B, H, W, C)
        x = F.batch_norm(
            x.permute(0, 3, 1, 2), self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
        )
        return x.permute(0, 2, 3, 1)


class Codebook(nn.Module):
    """The quantiser's codes: part of the checkpoint, never read at inference."""

    def __init__(self, codes: int, channels: int):
        super().__init__()
        self.embedding = nn.Embedding(codes, channels)


class Vqgan(nn.Module):
    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        up_down_scale_factor: int = 2,
        levels: int = 2,
        bottleneck_blocks: int = 12,
        embed_dim: int = 384,
        latent_channels: int = 4,
        num_vq_embeddings: int = 8192,
        scale_factor: float = 0.3764,
    ):
        super().__init__()
        self.patch_size = up_down_scale_factor
        self.scale_factor = scale_factor
        widths = [embed_dim // 2**level for level in reversed(range(levels))]  # from pixels to latents

        self.in_block = nn.Sequential(nn.Identity(), Pointwise(in_channels * up_down_scale_factor**2, widths[0]))
        down: list[nn.Module] = []
        for level, width in enumerate(widths):
            if level > 0:
                down.append(Downsample(widths[level - 1], width, kernel_size=4, stride=2, padding=1))
            down.append(MixingBlock(width))
        down.append(nn.Sequential(Pointwise(widths[-1], latent_channels, bias=False), LatentNorm(latent_channels)))
        self.down_blocks = nn.Sequential(*down)

        self.vquantizer = Codebook(num_vq_embeddings, latent_channels)

        up: list[nn.Module] = [nn.Sequential(Pointwise(latent_channels, widths[-1]))]
        for level in reversed(range(levels)):
            deepest = level == levels - 1
            up.extend(MixingBlock(widths[level]) for _ in range(bottleneck_blocks if deepest else 1))
            if level > 0:
                up.append(Upsample(widths[level], widths[level - 1], kernel_size=4, stride=2, padding=1))
        self.up_blocks = nn.Sequential(*up)
        self.out_block = nn.Sequential(Pointwise(widths[0], out_channels * up_down_scale_factor**2), nn.Identity())

    @torch.jit.export
    def encode(self, pixels: Tensor) -> Tensor:
        """Pixels in [0, 1], (B, 3, H, W) -> latents of about unit deviation, (B, 4, H/f, W/f); undoes `decode`."""
        x = F.pixel_unshuffle(pixels, self.patch_size).permute(0, 2, 3, 1)
        return self.down_blocks(self.in_block(x)).permute(0, 3, 1, 2) / self.scale_factor

    @torch.jit.export
    def decode(self, latents: Tensor) -> Tensor:
        """Latents (B, 4, h, w) -> pixels in [0, 1], (B, 3, f*h, f*w)."""
        return self.reconstruct(latents).clamp(0, 1)

    def reconstruct(self, latents: Tensor) -> Tensor:
        """`decode` before the clamp, which has no gradient beyond its ends."""
        x = self.out_block(self.up_blocks((latents * self.scale_factor).permute(0, 2, 3, 1)))
        return F.pixel_shuffle(x.permute(0, 3, 1, 2), self.patch_size)
