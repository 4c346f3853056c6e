"""The configs of the bundled model: the classes of the real checkpoint, small. One place for all its numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

PICTURE_SIZE = 256  # pixels
SEMANTIC_SIZE = 96  # pixels: what the semantic encoder looks at, a reduced picture
SEMANTIC_GRID = 6  # 256 / 42.67, as the real prior
SEMANTIC_CHANNELS = 16
TEXT_LENGTH = 32  # tokens: no caption of the grammar is longer
LATENT_SIZE = 32  # 256 / 8
STEPS = (8, 4)  # of Stages C and B: as many captions right as with 29 + 12, in a third of the time
GUIDANCE_SCALE = 2.5  # judged between 1.5 (shapes) and 4 (colours) on held-out captions


@dataclass(frozen=True)
class BundledConfigs:
    """Keyword arguments of each network, by the component's name in the hub layout."""

    vqgan: dict[str, Any] = field(
        default_factory=lambda: {
            "in_channels": 3,
            "out_channels": 3,
            "up_down_scale_factor": 2,
            "levels": 3,
            "bottleneck_blocks": 3,
            "embed_dim": 64,
            "latent_channels": 4,
            "num_vq_embeddings": 16,
            "scale_factor": 1.0,  # training leaves the latents with unit deviation
        }
    )
    decoder: dict[str, Any] = field(
        default_factory=lambda: {
            "c_in": 4,
            "c_out": 4,
            "c_r": 64,
            "patch_size": 2,
            "c_cond": 64,
            "c_hidden": [64, 128, 192],
            "nhead": [-1, 4, 6],
            "blocks": [2, 2, 2],
            "level_config": ["CT", "CTA", "CTA"],
            "inject_effnet": [True, True, True],
            "effnet_embd": SEMANTIC_CHANNELS,
            "clip_embd": 64,
            "kernel_size": 3,
            "dropout": 0.1,
        }
    )
    prior: dict[str, Any] = field(
        default_factory=lambda: {
            "c_in": SEMANTIC_CHANNELS,
            "c": 160,
            "c_cond": 128,
            "c_r": 64,
            "depth": 8,
            "nhead": 5,
            "dropout": 0.1,
        }
    )
    previewer: dict[str, Any] = field(default_factory=lambda: {"c_in": SEMANTIC_CHANNELS, "c_hidden": [96, 64, 32]})
    text_encoder: dict[str, Any] = field(  # Stage B's
        default_factory=lambda: {
            "hidden_size": 64,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 128,
            "max_position_embeddings": TEXT_LENGTH,
            "hidden_act": "gelu",
            "layer_norm_eps": 1e-5,
        }
    )
    prior_text_encoder: dict[str, Any] = field(
        default_factory=lambda: {
            "hidden_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 512,
            "max_position_embeddings": TEXT_LENGTH,
            "hidden_act": "gelu",
            "layer_norm_eps": 1e-5,
        }
    )


CONFIGS = BundledConfigs()
