"""Our networks against diffusers and transformers, on the same seeded weights, eager and as exported graphs.

Stage B and C are compared before their final division, which amplifies rounding where random weights bring the divisor
near zero.
"""

from __future__ import annotations

import inspect
import io
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from scripts.configurations import V2, Component, component, defaults_of
from scripts.graph import bind, fill, script, serialise, strip
from scripts.random_checkpoint import SMALL, shallow

pytest.importorskip("diffusers", reason="the reference is not installed")
import transformers
from diffusers.pipelines.deprecated.wuerstchen import PaellaVQModel, WuerstchenPrior
from diffusers.pipelines.deprecated.wuerstchen.modeling_wuerstchen_diffnext import (
    WuerstchenDiffNeXt,
)

REFERENCES: dict[str, type[nn.Module]] = {
    "prior": WuerstchenPrior,
    "decoder": WuerstchenDiffNeXt,
    "vqgan": PaellaVQModel,
}

TOLERANCE = 1e-5  # of the largest value of the reference


def difference(got: Tensor, wanted: Tensor) -> float:
    assert got.shape == wanted.shape
    return ((got - wanted).abs().max() / wanted.abs().max()).item()


def named(components: tuple[Component, ...], name: str) -> Component:
    return next(one for one in components if one.name == name)


def seeded(reference: nn.Module) -> nn.Module:
    fill(reference, seed=5)
    return reference.eval()


def pair(one: Component, reference: nn.Module, rename: str = "") -> tuple[nn.Module, nn.Module, Any]:
    """The reference, our eager module and our graph, bound from the stripped file, all with the same weights."""
    state = {rename + key: tensor for key, tensor in seeded(reference).state_dict().items()}
    eager = one.build()
    eager.load_state_dict(state)
    graph = script(one)
    strip(graph)
    graph = torch.jit.load(io.BytesIO(serialise(graph)))
    bind(graph, eager.state_dict())
    return reference, eager, graph


def catch_output(module: nn.Module) -> dict[str, Tensor]:
    caught: dict[str, Tensor] = {}
    module.register_forward_hook(lambda _module, _inputs, output: caught.update(last=output))
    return caught


# Full widths with few blocks, and a tenth of the widths.
CONFIGURATIONS = {"small": SMALL, "shallow": shallow()}


@pytest.mark.parametrize("name", CONFIGURATIONS)
@torch.no_grad()
def test_prior_equals_diffusers(name: str) -> None:
    one = named(CONFIGURATIONS[name], "prior")
    reference, eager, graph = pair(one, WuerstchenPrior(**one.config))
    caught = catch_output(reference.out)
    # Grids of 5 and 7: no multiple of 3, as diffusers' pipelines would need.
    for batch, height, width, tokens in [(1, 6, 6, 77), (2, 5, 7, 77), (5, 3, 4, 154)]:
        x = torch.randn(batch, 16, height, width)
        ratio = torch.rand(batch)
        text = torch.randn(batch, tokens, one.config["c_cond"])
        reference(x, ratio, text)
        wanted = caught["last"].chunk(2, dim=1)
        for network in (eager, graph):
            inputs = (x, network.modulate(ratio), network.condition(text))
            got = network.heads(*inputs)
            assert difference(got[0], wanted[0]) <= TOLERANCE
            assert difference(got[1], wanted[1]) <= TOLERANCE
            assert torch.equal(network.step(*inputs), (x - got[0]) / ((1 - got[1]).abs() + 1e-5))


@pytest.mark.parametrize("name", CONFIGURATIONS)
@torch.no_grad()
def test_decoder_equals_diffusers(name: str) -> None:
    one = named(CONFIGURATIONS[name], "decoder")
    reference, eager, graph = pair(one, WuerstchenDiffNeXt(**one.config))
    sizes = [(1, 32, 32, 3, 3), (2, 16, 48, 2, 5)] + ([(5, 16, 16, 1, 2)] if name == "small" else [])
    for batch, height, width, image_height, image_width in sizes:
        x = torch.randn(batch, 4, height, width)
        ratio = torch.rand(batch)
        image = torch.randn(batch, 16, image_height, image_width)
        text = torch.randn(batch, 77, one.config["clip_embd"])
        wanted = reference(x, ratio, image, text, return_noise=False)
        for network in (eager, graph):
            inputs = (x, network.modulate(ratio), network.condition(text, image, height, width))
            got = network.heads(*inputs)
            assert difference(got[0], wanted[0]) <= TOLERANCE
            assert difference(got[1], wanted[1]) <= TOLERANCE
            assert torch.equal(network.step(*inputs), (x - got[0]) / got[1])


@pytest.mark.parametrize("name", CONFIGURATIONS)
@torch.no_grad()
def test_vqgan_equals_diffusers(name: str) -> None:
    one = named(CONFIGURATIONS[name], "vqgan")
    reference, eager, graph = pair(one, PaellaVQModel(**one.config))
    scale = one.config["scale_factor"]
    for batch, height, width in [(1, 16, 16), (2, 8, 24)]:
        latents = torch.randn(batch, 4, height, width)
        decoded = reference.decode(latents * scale).sample.clamp(0, 1)
        pixels = torch.rand(batch, 3, 4 * height, 4 * width)
        # diffusers' own encode() always raises.
        encoded = reference.down_blocks(reference.in_block(pixels)) / scale
        for network in (eager, graph):
            assert difference(network.decode(latents), decoded) <= TOLERANCE
            assert difference(network.encode(pixels), encoded) <= TOLERANCE


@pytest.mark.parametrize("activation", ["gelu", "quick_gelu"])
@torch.no_grad()
def test_text_encoder_equals_transformers(activation: str) -> None:
    one = component(
        "text_encoder",
        "CLIPTextModel",
        {**named(SMALL, "text_encoder").config, "hidden_act": activation, "vocab_size": 600},
    )
    config = transformers.CLIPTextConfig(**one.config, bos_token_id=598, eos_token_id=599, pad_token_id=599)
    reference, eager, graph = pair(one, transformers.CLIPTextModel(config), rename="text_model.")
    for batch, length in [(1, 77), (3, 77), (5, 20)]:
        used = torch.randint(2, length, (batch, 1))
        mask = (torch.arange(length)[None] < used).long()
        ids = torch.where(mask.bool(), torch.randint(598, (batch, length)), 599)
        wanted = reference(ids, attention_mask=mask).last_hidden_state
        for network in (eager, graph):
            assert difference(network.encode(ids, mask), wanted) <= TOLERANCE


def test_v2_has_the_hubs_parameters() -> None:
    """Names, shapes and counts of the published v2 checkpoints."""
    counts = {"prior": 993_636_896, "decoder": 1_055_365_280, "vqgan": 18_406_894}
    with torch.device("meta"):
        for one in V2:
            network = one.build()
            state = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
            if one.hub_class == "CLIPTextModel":
                reference = transformers.CLIPTextModel(transformers.CLIPTextConfig(**one.config))
                wanted = {f"text_model.{key}": tuple(t.shape) for key, t in reference.state_dict().items()}
            else:
                reference = REFERENCES[one.name](**one.config)
                wanted = {key: tuple(tensor.shape) for key, tensor in reference.state_dict().items()}
                assert sum(parameter.numel() for parameter in network.parameters()) == counts[one.name]
            assert state == wanted


def test_ratio_embedding_stays_in_float32() -> None:
    one = named(SMALL, "prior")
    network = one.build()
    fill(network)
    ratio = torch.tensor([0.98333, 0.5])
    exact = network.modulate(ratio)
    half = network.bfloat16().modulate(ratio).float()
    assert difference(half, exact) < 0.02


@pytest.mark.parametrize("name", REFERENCES)
def test_defaults_are_the_hubs(name: str) -> None:
    parameters = inspect.signature(REFERENCES[name].__init__).parameters.values()
    wanted = {one.name: one.default for one in parameters if one.default is not inspect.Parameter.empty}
    assert defaults_of(named(V2, name).network) == wanted
