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
class Given:
    inputs: tuple[Tensor, ...]
    finish: Callable[[Tensor], Tensor]  # output -> what all contenders must agree on


@dataclass(frozen=True)
class Stage(Given):
    module: nn.Module


def guided(prediction: Tensor) -> Tensor:
    positive, negative = prediction.chunk(2)
    return torch.lerp(negative, positive, GUIDANCE_SCALE)


def as_it_is(output: Tensor) -> Tensor:
    return output


FINISH = {"prior": guided, "decoder": as_it_is, "vqgan": as_it_is}


def given_inputs(home: Path, name: str, dtype: torch.dtype) -> tuple[Tensor, ...]:
    """What the module of a stage is called with."""
    given = {key: tensor.to(dtype) for key, tensor in load_file(home / "inputs.safetensors").items()}
    if dtype != torch.float32:
        given["ratio"].zero_()  # diffusers rounds any other to a neighbour, and then nobody can agree with it
    if name == "prior":
        return given["prior.latents"].repeat(2, 1, 1, 1), given["ratio"].repeat(2), given["prior.text"]
    if name == "decoder":
        return given["decoder.latents"], given["ratio"], given["decoder.image"], given["decoder.text"]
    return (given["vqgan.latents"],)


def load_module(home: Path, name: str, dtype: torch.dtype) -> nn.Module:
    """From the checkpoint, as its users load it."""
    if name == "prior":
        return WuerstchenPrior.from_pretrained(home / f"{NAME}-prior" / "prior", torch_dtype=dtype)
    if name == "decoder":
        return WuerstchenDiffNeXt.from_pretrained(home / NAME / "decoder", torch_dtype=dtype)
    if name == "vqgan":
        return Decode(PaellaVQModel.from_pretrained(home / NAME / "vqgan", torch_dtype=dtype))
    raise ValueError(f"Expected stage to be prior, decoder or vqgan but received {name}")


def load_stage(home: Path, name: str, dtype: torch.dtype) -> Stage:
    return Stage(given_inputs(home, name, dtype), FINISH[name], load_module(home, name, dtype).eval())
