"""One step of each stage as diffusers computes it: a module, its inputs and what its output is compared as.

A step is a call with everything that diffusers does in it, text and image conditioning included: its pipelines call
the networks so, step after step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers.pipelines.deprecated.wuerstchen import PaellaVQModel, WuerstchenDiffNeXt, WuerstchenPrior
from safetensors.torch import load_file
from torch import Tensor, nn

from .checkpoint import NAME

GUIDANCE_SCALE = 4.0


class Decode(nn.Module):
    """Stage A as the pipeline calls it."""

    def __init__(self, vqgan: PaellaVQModel):
        super().__init__()
        self.vqgan = vqgan
        self.scale = vqgan.config.scale_factor

    def forward(self, latents: Tensor) -> Tensor:
        return self.vqgan.decode(self.scale * latents, return_dict=False)[0].clamp(0, 1)


@dataclass(frozen=True)
class Stage:
    module: nn.Module
    inputs: tuple[Tensor, ...]
    finish: Callable[[Tensor], Tensor]  # output -> what all contenders must agree on


def guided(prediction: Tensor) -> Tensor:
    positive, negative = prediction.chunk(2)
    return torch.lerp(negative, positive, GUIDANCE_SCALE)


def as_it_is(output: Tensor) -> Tensor:
    return output


def given_inputs(home: Path, name: str, dtype: torch.dtype) -> tuple[Tensor, ...]:
    """What the module of a stage is called with."""
    given = {key: tensor.to(dtype) for key, tensor in load_file(home / "inputs.safetensors").items()}
    if name == "prior":
        return given["prior.latents"].repeat(2, 1, 1, 1), given["ratio"].repeat(2), given["prior.text"]
    if name == "decoder":
        return given["decoder.latents"], given["ratio"], given["decoder.image"], given["decoder.text"]
    return (given["vqgan.latents"],)


def load_stage(home: Path, name: str, dtype: torch.dtype) -> Stage:
    """From the checkpoint, as its users load it."""
    inputs = given_inputs(home, name, dtype)
    if name == "prior":
        prior = WuerstchenPrior.from_pretrained(home / f"{NAME}-prior" / "prior", torch_dtype=dtype)
        return Stage(prior.eval(), inputs, guided)
    if name == "decoder":
        decoder = WuerstchenDiffNeXt.from_pretrained(home / NAME / "decoder", torch_dtype=dtype)
        return Stage(decoder.eval(), inputs, as_it_is)
    if name == "vqgan":
        vqgan = PaellaVQModel.from_pretrained(home / NAME / "vqgan", torch_dtype=dtype)
        return Stage(Decode(vqgan).eval(), inputs, as_it_is)
    raise ValueError(f"Expected stage to be prior, decoder or vqgan but received {name}")
