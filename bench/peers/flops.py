"""The arithmetic of one step of each stage, as published, counted on meta tensors: `python -m bench.peers.flops`; or with
`--sizes 512,1024` how many times as much the full depth has as the one that is measured, at such sizes.

A multiplication and an addition are two. Only what is a product of matrices or a convolution counts.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import torch
from diffusers.models.attention_processor import Attention, AttnProcessor
from diffusers.pipelines.deprecated.wuerstchen import PaellaVQModel, WuerstchenDiffNeXt, WuerstchenPrior
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from scripts.configurations import V2, Component

from .checkpoint import configuration, inputs, inputs_of_size
from .stages import Decode

# Products of two activations: no weight to pack, so they are told apart.
ATTENTION = (torch.ops.aten.bmm, torch.ops.aten.baddbmm)


def count(module: nn.Module, *arguments: torch.Tensor) -> dict[str, int]:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(*arguments)
    found = counter.get_flop_counts()["Global"]
    return {"total": sum(found.values()), "attention": sum(found.get(one, 0) for one in ATTENTION)}


def of_stages(configs: dict[str, dict[str, Any]], given: dict[str, torch.Tensor]) -> dict[str, dict[str, int]]:
    given = {name: tensor.to("meta") for name, tensor in given.items()}
    with torch.device("meta"):
        prior = WuerstchenPrior(**configs["prior"])
        decoder = WuerstchenDiffNeXt(**configs["decoder"])
        vqgan = PaellaVQModel(**configs["vqgan"])
        for attention in (one for one in decoder.modules() if isinstance(one, Attention)):
            # The counter has no formula for the fused attention of CPUs; the plain one is the same arithmetic.
            attention.set_processor(AttnProcessor())
        latents, ratio = given["prior.latents"].repeat(2, 1, 1, 1), given["ratio"]
        return {
            "prior": count(prior, latents, ratio.repeat(2), given["prior.text"]),
            "decoder": count(decoder, given["decoder.latents"], ratio, given["decoder.image"], given["decoder.text"]),
            "vqgan": count(Decode(vqgan), given["vqgan.latents"]),
        }


def configs_of(components: tuple[Component, ...]) -> dict[str, dict[str, Any]]:
    return {one.name: one.config for one in components}


def of_full_depth(size: int) -> dict[str, float]:
    """Full depth's arithmetic over the measured depth's, of a picture of size x size."""
    given = inputs_of_size(size)
    full, cut = of_stages(configs_of(V2), given), of_stages(configs_of(configuration()), given)
    return {name: full[name]["total"] / cut[name]["total"] for name in full}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=lambda text: [int(size) for size in text.split(",")])
    sizes = parser.parse_args().sizes
    if sizes is None:
        print(json.dumps(of_stages(configs_of(configuration()), inputs())))
    else:
        print(json.dumps({size: of_full_depth(size) for size in sizes}))


if __name__ == "__main__":
    main()
