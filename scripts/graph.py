"""A network as a TorchScript graph without weights, and what runs one: example inputs, seeded weights."""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from .configurations import Component

CONSTANT = re.compile(r"  \w+ : Final\[")


def script(component: Component) -> torch.jit.ScriptModule:
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.script(component.build())


def strip(module: nn.Module) -> None:
    """Replaces every weight by one zero spread over its shape: the file keeps the shape and four bytes."""
    for owner in module.modules():
        for name, parameter in list(owner.named_parameters(recurse=False)):
            placeholder = torch.zeros(()).expand(parameter.shape)
            setattr(owner, name, nn.Parameter(placeholder, requires_grad=False))
        for name, buffer in list(owner.named_buffers(recurse=False)):
            setattr(owner, name, torch.zeros((), dtype=buffer.dtype).expand(buffer.shape))


def canonical(code: bytes) -> bytes:
    """A module's source with its constants in order: TorchScript writes them as a hash table happens to hold them."""
    lines = code.decode().split("\n")
    blocks = groupby(lines, key=lambda line: bool(CONSTANT.match(line)))
    ordered = [line for constants, block in blocks for line in (sorted(block) if constants else block)]
    return "\n".join(ordered).encode()


def serialise(module: torch.jit.ScriptModule) -> bytes:
    """The graph as bytes that depend on nothing but the code: no source paths, no times."""
    raw = io.BytesIO()
    torch.jit.save(module, raw)
    packed = io.BytesIO()
    with zipfile.ZipFile(raw) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for name in sorted(source.namelist()):
            if name.endswith((".debug_pkl", "/serialization_id")):
                continue
            data = source.read(name)
            data = canonical(data) if name.endswith(".py") else data
            target.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def bind(graph: torch.jit.ScriptModule, weights: dict[str, Tensor]) -> None:
    """Gives a stripped graph its weights, as the addon does."""
    for path, owner in graph.named_modules():
        for name, _ in [*owner.named_parameters(recurse=False), *owner.named_buffers(recurse=False)]:
            setattr(owner, name, weights[f"{path}.{name}" if path else name])


def example_inputs(component: Component, batch: int, dtype: torch.dtype, scale: int = 1) -> dict[str, list[Any]]:
    """Small inputs for every method, in an order in which each finds the outputs of those before it. `scale`: of Stage
    B's maps, of which the smallest else has a height of one."""
    generator = torch.Generator().manual_seed(batch)
    config = component.config

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(dtype)

    if component.hub_class == "CLIPTextModel":
        length = config["max_position_embeddings"]
        ids = torch.randint(config["vocab_size"], (batch, length), generator=generator)
        mask = (torch.arange(length) < length - batch).long().expand(batch, length)
        return {"encode": [ids, mask]}
    if component.hub_class == "PaellaVQModel":
        return {
            "decode": [normal(batch, config["latent_channels"], 4, 6)],
            "encode": [torch.rand(batch, 3, 32, 64, generator=generator).to(dtype)],
        }
    if component.hub_class == "WuerstchenPreviewer":
        return {"decode": [normal(batch, config["c_in"], 2, 3)]}
    ratio = torch.rand(batch, generator=generator)
    if component.hub_class == "WuerstchenPrior":
        conditions: list[Any] = [normal(batch, 5, config["c_cond"])]
        latents = normal(batch, config["c_in"], 3, 4)
    else:
        stride = scale * config["patch_size"] * 2 ** (len(config["c_hidden"]) - 1)
        conditions = [normal(batch, 5, config["clip_embd"]), normal(batch, config["effnet_embd"], 2, 3)]
        conditions += [stride, 2 * stride]
        latents = normal(batch, config["c_in"], stride, 2 * stride)
    return {"modulate": [ratio], "condition": conditions, "heads": [latents], "step": [latents]}


def run(module: nn.Module, inputs: dict[str, list[Any]]) -> dict[str, list[Tensor]]:
    outputs: dict[str, list[Tensor]] = {}
    for name, arguments in inputs.items():
        if name in ("heads", "step"):
            arguments = [*arguments, outputs["modulate"][0], outputs["condition"]]
        result = getattr(module, name)(*arguments)
        outputs[name] = [result] if isinstance(result, Tensor) else list(result)
    return outputs


def fill(module: nn.Module, seed: int = 0) -> None:
    """Seeded weights that keep every layer's output at the scale of its input, norms and gates open."""
    generator = torch.Generator(next(module.parameters()).device).manual_seed(seed)
    for name, parameter in module.named_parameters():
        with torch.no_grad():
            fan = parameter[0].numel() if parameter.dim() > 1 else 0
            parameter.normal_(0, fan**-0.5 if fan else 0.1, generator=generator)
            if "norm" in name and name.endswith("weight"):
                parameter.add_(1)
