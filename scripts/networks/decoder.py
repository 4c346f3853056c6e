"""Stage B: image embeddings and text -> VQGAN latents. A U-Net whose residual blocks read the image embeddings."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import (
    AttentionBlock,
    ChannelNorm,
    Downsample,
    Pointwise,
    Resample,
    ResBlock,
    TimestepBlock,
    Upsample,
    embed_ratio,
)


class Decoder(nn.Module):
    def __init__(
        self,
        c_in: int = 4,
        c_out: int = 4,
        c_r: int = 64,
        patch_size: int = 2,
        c_cond: int = 1024,
        c_hidden: tuple[int, ...] = (320, 640, 1280, 1280),
        nhead: tuple[int, ...] = (-1, 10, 20, 20),
        blocks: tuple[int, ...] = (4, 4, 14, 4),
        level_config: tuple[str, ...] = ("CT", "CTA", "CTA", "CTA"),
        inject_effnet: tuple[bool, ...] = (False, True, True, True),
        effnet_embd: int = 16,
        clip_embd: int = 1024,
        kernel_size: int = 3,
        dropout: float | list[float] = 0.1,  # part of the hub's config; training-only
    ):
        super().__init__()
        levels = len(c_hidden)
        self.levels = levels
        self.ratio_channels = c_r
        self.patch_size = patch_size
        self.inject = [*inject_effnet, *reversed(inject_effnet)]  # down levels, then up levels
        self.clip_mapper = nn.Linear(clip_embd, c_cond)
        self.text_norm = ChannelNorm()
        self.effnet_mappers = nn.ModuleList(
            [Pointwise(effnet_embd, c_cond) if inject else nn.Identity() for inject in self.inject]
        )
        self.embedding = nn.Sequential(nn.Identity(), Pointwise(c_in * patch_size**2, c_hidden[0]), ChannelNorm())
        self.modulation_channels = 0
        # Entries of the condition: one resized map per level and direction, then one per attention block.
        self.condition_entries = 2 * levels

        def make_block(kind: str, level: int, skip_channels: int) -> nn.Module:
            channels = c_hidden[level]
            if kind == "C":
                return ResBlock(channels, skip_channels, kernel_size)
            if kind == "T":
                start = self.modulation_channels
                self.modulation_channels += 2 * channels
                return TimestepBlock(channels, c_r, start)
            if kind == "A":
                self.condition_entries += 1
                return AttentionBlock(channels, c_cond, nhead[level], self.condition_entries - 1)
            raise ValueError(f"Expected level_config to hold C, T and A but received {kind}")

        self.down_blocks = nn.ModuleList()
        for level in range(levels):
            image_channels = c_cond if inject_effnet[level] else 0
            modules = nn.ModuleList()
            if level > 0:
                conv = Downsample(c_hidden[level - 1], c_hidden[level], kernel_size=2, stride=2)
                modules.append(Resample(conv))
            for _ in range(blocks[level]):
                modules.extend(make_block(kind, level, image_channels) for kind in level_config[level])
            self.down_blocks.append(modules)

        self.up_blocks = nn.ModuleList()
        for level in reversed(range(levels)):
            image_channels = c_cond if inject_effnet[level] else 0
            modules = nn.ModuleList()
            for repeat in range(blocks[level]):
                for place, kind in enumerate(level_config[level]):
                    joins = level < levels - 1 and repeat == 0 and place == 0
                    modules.append(make_block(kind, level, image_channels + (c_hidden[level] if joins else 0)))
            if level > 0:
                conv = Upsample(c_hidden[level], c_hidden[level - 1], kernel_size=2, stride=2)
                modules.append(Resample(conv))
            self.up_blocks.append(modules)

        self.clf = nn.Sequential(ChannelNorm(), Pointwise(c_hidden[0], 2 * c_out * patch_size**2), nn.Identity())

    @torch.jit.export
    def modulate(self, ratio: Tensor) -> Tensor:
        """Ratios of a whole schedule, (S,) float32 -> the modulation of every timestep block, (S, M)."""
        embedding = embed_ratio(ratio, self.ratio_channels).to(self.clip_mapper.weight.dtype)
        columns: list[Tensor] = []
        for modules in self.down_blocks:
            for block in modules:
                columns += block.modulate(embedding)
        for modules in self.up_blocks:
            for block in modules:
                columns += block.modulate(embedding)
        return torch.cat(columns, dim=1)

    @torch.jit.export
    def condition(self, text: Tensor, image: Tensor, height: int, width: int) -> list[Tensor]:
        """What `step` needs of text embeddings (B, T, clip_embd) and image embeddings (B, effnet_embd, h, w) for
        latents of height x width: one map (B, H, W, c_cond) per level and direction (without channels where the
        level reads none), then one (B, 2, heads, T, head_dim) per attention block.
        """
        entries: list[Tensor] = []
        for index, mapper in enumerate(self.effnet_mappers):
            level = index if index < self.levels else 2 * self.levels - 1 - index
            stride = self.patch_size << level
            size = [height // stride, width // stride]
            # As the reference resizes: antialias ignores the offset of align_corners but keeps its scale. By the
            # operator's own name: F.interpolate would write all it could be into the graph, down to operators that
            # older libtorches lack.
            resized = torch.ops.aten._upsample_bicubic2d_aa(image.float(), size, True).to(image.dtype)
            mapped = mapper(resized.permute(0, 2, 3, 1))
            entries.append(mapped if self.inject[index] else mapped[..., :0])
        mapped_text = self.text_norm(self.clip_mapper(text))
        for modules in self.down_blocks:
            for block in modules:
                entries += block.condition(mapped_text)
        for modules in self.up_blocks:
            for block in modules:
                entries += block.condition(mapped_text)
        return entries

    @torch.jit.export
    def heads(self, x: Tensor, modulation: Tensor, condition: list[Tensor]) -> tuple[Tensor, Tensor]:
        """The two maps that the noise prediction is made of, each (B, c_out, H, W)."""
        x = self.embedding(F.pixel_unshuffle(x, self.patch_size).permute(0, 2, 3, 1))
        outputs: list[Tensor] = []  # of the down levels, for the up levels to join
        for level, modules in enumerate(self.down_blocks):
            for block in modules:
                x = block(x, modulation, condition, condition[level])
            outputs.append(x)
        for step, modules in enumerate(self.up_blocks):
            image = condition[self.levels + step]
            skip = torch.cat([outputs[self.levels - 1 - step], image], dim=-1) if step > 0 else image
            for block in modules:
                x = block(x, modulation, condition, skip)
                skip = image
        a, b = F.pixel_shuffle(self.clf(x).permute(0, 3, 1, 2), self.patch_size).chunk(2, dim=1)
        epsilon = 1e-3  # keeps the divisor inside (0, 1)
        return a, b.sigmoid() * (1 - 2 * epsilon) + epsilon

    @torch.jit.export
    def step(self, x: Tensor, modulation: Tensor, condition: list[Tensor]) -> Tensor:
        """Noisy latents (B, c_in, H, W), modulation (B, M) -> predicted noise (B, c_out, H, W)."""
        a, b = self.heads(x, modulation, condition)
        return (x - a) / b
