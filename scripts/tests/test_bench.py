"""The parts of bench/peers that need no measurement."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

pytest.importorskip("diffusers", reason="the reference is not installed")
from bench.peers.checkpoint import configuration, inputs, inputs_of_size
from bench.peers.exported import resize_matrix, resizing_by_products
from bench.peers.flops import configs_of, count, of_full_depth, of_stages
from bench.peers.gemm import SHAPES, packed
from bench.peers.sized import fill_from_one_buffer


def test_a_linear_layer_is_two_operations_a_weight_and_row() -> None:
    linear = nn.Linear(30, 50, device="meta")
    assert count(linear, torch.empty(7, 30, device="meta")) == {"total": 2 * 7 * 30 * 50, "attention": 0}


def test_prior_arithmetic_is_what_its_blocks_say() -> None:
    """Stage C by hand: depth 4, two rows of 24x24 = 576 tokens, 77 of text."""
    rows, tokens, text, width, depth = 2, 576, 77, 1536, 4
    mixer = 2 * tokens * width * 4 * width * 2
    depthwise = 2 * tokens * width * 9
    timestep = 2 * 64 * 2 * width
    mapped = 2 * text * width * width  # kv_mapper
    projections = 2 * width * width * (2 * tokens + 2 * (tokens + text))  # q, out; k, v
    attention = 2 * 2 * tokens * (tokens + text) * width
    block = mixer + depthwise + timestep + mapped + projections + attention
    ends = 2 * tokens * width * (16 + 32) + 2 * text * (1280 * width + width * width)
    found = of_stages(configs_of(configuration()), inputs())["prior"]
    assert found == {"total": rows * (depth * block + ends), "attention": rows * depth * attention}


def test_full_depth_is_a_multiple_of_what_is_measured() -> None:
    ratios = of_full_depth(512)
    assert ratios["vqgan"] == 1
    assert 7 < ratios["prior"] < 8  # 32 blocks for 4, the ends shared
    assert 4 < ratios["decoder"] < 6


def test_inputs_are_of_the_picture_asked_for() -> None:
    given = inputs_of_size(768)
    assert given["prior.latents"].shape == (1, 16, 18, 18)
    assert given["decoder.latents"].shape == given["vqgan.latents"].shape == (1, 4, 192, 192)
    assert inputs()["decoder.latents"].shape == (1, 4, 256, 256)


@pytest.mark.parametrize("wanted", [64, 32, 16])
def test_stage_b_resize_equals_its_products(wanted: int) -> None:
    image = torch.randn(2, 16, 24, 24)
    kind = {"mode": "bicubic", "antialias": True, "align_corners": True}
    resized = F.interpolate(image, (wanted, wanted), **kind)
    with resizing_by_products():
        products = F.interpolate(image, (wanted, wanted), **kind)
    assert torch.allclose(products, resized, atol=1e-5)
    assert torch.allclose(resize_matrix(24, wanted).sum(1), torch.ones(wanted), atol=1e-5)


def test_packed_linear_equals_the_plain_one() -> None:
    rows, width, outputs = 24, 64, 96
    x, weight, bias = torch.randn(rows, width), torch.randn(outputs, width), torch.randn(outputs)
    assert torch.allclose(packed(weight, bias, rows)(x), F.linear(x, weight, bias), atol=1e-4)
    assert SHAPES[0] == (1152, 1536, 6144)  # the yardstick that docs/benchmarks.md names


def test_parameters_of_one_buffer_cost_its_memory_only() -> None:
    module = fill_from_one_buffer(nn.Sequential(*(nn.Linear(512, 512, device="meta") for _ in range(3))))
    storages = {parameter.untyped_storage().data_ptr() for parameter in module.parameters()}
    assert len(storages) == 1
    assert torch.isfinite(module(torch.randn(1, 512))).all()
