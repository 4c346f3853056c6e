"""Writes a checkpoint of seeded random weights in the hub's layout, for tests and benchmarks:
`python -m scripts.random_checkpoint small OUT`. Its pictures mean nothing, but they depend visibly on prompt, seed and
guidance, as a trained model's do.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .configurations import V2, Component, component
from .graph import fill
from .hub_layout import Checkpoint, cast, write_checkpoint

# v2's shape at a tenth of its width: attention in every level that has it there, three heads where it has 24.
SMALL = (
    component(
        "prior_text_encoder",
        "CLIPTextModel",
        {
            "hidden_size": 80,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 160,
            "hidden_act": "gelu",
        },
    ),
    component("prior", "WuerstchenPrior", {"c": 96, "c_cond": 80, "depth": 3, "nhead": 3}),
    component(
        "text_encoder",
        "CLIPTextModel",
        {
            "hidden_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 128,
            "hidden_act": "gelu",
        },
    ),
    component(
        "decoder",
        "WuerstchenDiffNeXt",
        {"c_hidden": [32, 64, 96, 96], "nhead": [-1, 2, 3, 3], "blocks": [1, 1, 2, 1], "c_cond": 64, "clip_embd": 64},
    ),
    component("vqgan", "PaellaVQModel", {"bottleneck_blocks": 2, "embed_dim": 64, "num_vq_embeddings": 32}),
    component("previewer", "WuerstchenPreviewer", {"c_hidden": [16, 8]}),
)


def shallow(depth: int = 2) -> tuple[Component, ...]:
    """v2 at its full widths, with few blocks: what fits a test."""
    cuts: dict[str, dict[str, Any]] = {
        "prior_text_encoder": {"num_hidden_layers": depth},
        "prior": {"depth": depth},
        "text_encoder": {"num_hidden_layers": depth},
        "decoder": {"blocks": [1, 1, 2, 1]},
        "vqgan": {"bottleneck_blocks": depth},
    }
    return tuple(dataclasses.replace(one, config={**one.config, **cuts[one.name]}) for one in V2)


CONFIGURATIONS = {"small": SMALL, "shallow": shallow(), "v2": V2}


def with_vocabulary(components: tuple[Component, ...], size: int) -> tuple[Component, ...]:
    return tuple(
        dataclasses.replace(one, config={**one.config, "vocab_size": size}) if one.hub_class == "CLIPTextModel" else one
        for one in components
    )


def _steady(component: Component, network: nn.Module) -> None:
    """Keeps the outputs of random weights tame, or the division at the end turns rounding into pictures."""
    with torch.no_grad():
        if component.hub_class == "WuerstchenPrior":
            out = network.out[1]
            out.weight.mul_(0.5)
            out.bias[out.bias.shape[0] // 2 :] -= 2.0  # |1 - b| around 3
        if component.hub_class == "WuerstchenDiffNeXt":
            out = network.clf[1]
            out.weight.mul_(0.5)
            out.bias[out.bias.shape[0] // 2 :] += 2.0  # b = sigmoid(2)
        if component.hub_class == "PaellaVQModel":
            network.out_block[0].weight.mul_(0.3)
            network.out_block[0].bias.fill_(0.5)  # mid grey, so that few pixels are clamped
        for name, parameter in network.named_parameters():
            if name.endswith(("channelwise.4.weight", "gammas")):
                parameter.mul_(0.5)
            if name.endswith(("to_v.weight", "kv_mapper.1.weight", "token_embedding.weight")):
                parameter.mul_(3)  # the words must be heard


def random_weights(component: Component, seed: int, device: str = "cpu") -> dict[str, Tensor]:
    """Drawn on `device`: each kind of device has its own random numbers."""
    with torch.device("meta"):
        network = component.build()
    network.to_empty(device=device)
    for name, buffer in network.named_buffers():
        buffer.fill_(1 if name.endswith("var") else 0)
    fill(network, seed)
    _steady(component, network)
    return dict(network.state_dict())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("configuration", choices=CONFIGURATIONS)
    parser.add_argument("out", type=Path, help="the decoder's folder; the prior's is written beside it as NAME-prior")
    parser.add_argument("--tokenizer", type=Path, required=True, help="a folder with CLIP's tokenizer files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dtype", choices=["float32", "bfloat16", "float16"], default="float32")
    parser.add_argument(
        "--device", default="cpu", help="what draws the weights: cuda takes seconds for v2, not minutes"
    )
    parser.add_argument("--embeddings-scale", type=float, default=1.0, help="latent_mean; v2 has 42")
    options = parser.parse_args()

    from .bundled.tokenizer import load

    components = CONFIGURATIONS[options.configuration]
    if options.configuration == "small":
        components = with_vocabulary(components, load(options.tokenizer).get_vocab_size())

    def weights(name: str) -> dict[str, Tensor]:
        index = next(index for index, one in enumerate(components) if one.name == name)
        drawn = random_weights(components[index], options.seed * 100 + index, options.device)
        made = {key: tensor.cpu() for key, tensor in cast(drawn, getattr(torch, options.dtype)).items()}
        print(f"{name}: {sum(tensor.numel() for tensor in made.values()):,} values", flush=True)
        return made

    checkpoint = Checkpoint(
        components,
        weights,
        options.tokenizer,
        latent_mean=options.embeddings_scale,
        card="Seeded random weights for tests. They were never trained.\n",
    )
    write_checkpoint(checkpoint, options.out, options.out.with_name(f"{options.out.name}-prior"))


if __name__ == "__main__":
    main()
