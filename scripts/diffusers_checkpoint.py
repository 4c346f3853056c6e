"""The checkpoint of diffusers' own fast test of its combined pipeline (tests/pipelines/wuerstchen/
test_wuerstchen_combined.py), which publishes some numbers of its picture. Its weights are what the networks of diffusers
begin with under seed 0. The prior has two channels, the decoder one level without attention that reads no image
embeddings: no word is heard, so any tokenizer will do.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from diffusers import ModelMixin
from diffusers.pipelines.deprecated.wuerstchen import PaellaVQModel, WuerstchenDiffNeXt, WuerstchenPrior
from torch import Tensor

from .configurations import Component, component
from .random_checkpoint import random_weights

_TEXT = {
    "hidden_size": 32,
    "intermediate_size": 37,
    "num_attention_heads": 4,
    "num_hidden_layers": 5,
    "hidden_act": "quick_gelu",
}
FAST_TEST = (
    component("prior_text_encoder", "CLIPTextModel", _TEXT),
    component("prior", "WuerstchenPrior", {"c_in": 2, "c": 8, "depth": 2, "c_cond": 32, "c_r": 8, "nhead": 2}),
    component("text_encoder", "CLIPTextModel", _TEXT),
    component(
        "decoder",
        "WuerstchenDiffNeXt",
        {
            "c_cond": 32,
            "c_hidden": [320],
            "nhead": [-1],
            "blocks": [4],
            "level_config": ["CT"],
            "clip_embd": 32,
            "inject_effnet": [False],
        },
    ),
    component("vqgan", "PaellaVQModel", {"bottleneck_blocks": 1, "num_vq_embeddings": 2}),
)

_NETWORKS: dict[str, Callable[..., ModelMixin]] = {
    "WuerstchenPrior": WuerstchenPrior,
    "WuerstchenDiffNeXt": WuerstchenDiffNeXt,
    "PaellaVQModel": PaellaVQModel,
}


def first_weights(one: Component) -> dict[str, Tensor]:
    """What diffusers' network begins with; of a text encoder, what no picture depends on."""
    if one.hub_class not in _NETWORKS:
        return random_weights(one, seed=0)
    torch.manual_seed(0)
    return dict(_NETWORKS[one.hub_class](**one.config).state_dict())
