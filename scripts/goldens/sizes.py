"""Writes test/goldens/sizes.json: the latent shapes that diffusers' two pipelines ask for, size by size.
`python -m scripts.goldens.sizes`

Both pipelines run up to the moment they draw their first latents, with stand-ins for the networks.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import torch
from diffusers.configuration_utils import FrozenDict
from diffusers.pipelines.deprecated.wuerstchen import pipeline_wuerstchen as decoder_module
from diffusers.pipelines.deprecated.wuerstchen import pipeline_wuerstchen_prior as prior_module

GOLDEN = Path(__file__).parents[2] / "test" / "goldens" / "sizes.json"


class Drawn(Exception):
    """Carries the shape of the first draw."""


def refuse(self: object, shape: tuple[int, ...], *_: object) -> None:
    raise Drawn(shape)


def shape_of(pipeline: type, run: object) -> tuple[int, ...]:
    with mock.patch.object(pipeline, "prepare_latents", refuse):
        try:
            run()
        except Drawn as drawn:
            return drawn.args[0]
    raise ValueError("Expected the pipeline to draw latents but it did not")


def prior_shape(size: int) -> tuple[int, ...]:
    pipeline = prior_module.WuerstchenPriorPipeline.__new__(prior_module.WuerstchenPriorPipeline)
    embeds = torch.zeros(1, 2, 3)
    pipeline._internal_dict = FrozenDict(resolution_multiple=42.67)
    pipeline.prior = SimpleNamespace(config=SimpleNamespace(c_in=16), dtype=torch.float32)
    pipeline.scheduler = SimpleNamespace(set_timesteps=lambda *_, **__: None, timesteps=torch.zeros(2))
    pipeline.text_encoder = SimpleNamespace(dtype=torch.float32)
    pipeline.encode_prompt = lambda **_: (embeds, embeds)
    call = prior_module.WuerstchenPriorPipeline.__call__
    with mock.patch.object(prior_module.WuerstchenPriorPipeline, "_execution_device", torch.device("cpu")):
        return shape_of(
            prior_module.WuerstchenPriorPipeline,
            lambda: call(pipeline, "x", height=size, width=size),
        )


def decoder_shape(grid: int) -> tuple[int, ...]:
    kind = decoder_module.WuerstchenDecoderPipeline
    pipeline = kind.__new__(kind)
    pipeline._internal_dict = FrozenDict(latent_dim_scale=10.67)
    pipeline.decoder = SimpleNamespace(dtype=torch.float32)
    pipeline.scheduler = SimpleNamespace(set_timesteps=lambda *_, **__: None, timesteps=torch.zeros(2))
    pipeline.encode_prompt = lambda *_, **__: (torch.zeros(1, 2, 3), None)
    with mock.patch.object(kind, "_execution_device", torch.device("cpu")):
        return shape_of(kind, lambda: kind.__call__(pipeline, torch.zeros(1, 16, grid, grid), "x"))


def main() -> None:
    sizes = []
    for pixels in range(128, 4097, 128):
        grid = prior_shape(pixels)[-1]
        sizes.append({"pixels": pixels, "prior": grid, "latents": decoder_shape(grid)[-1]})
    made_by = "python -m scripts.goldens.sizes, diffusers 0.42.1"
    GOLDEN.write_text(json.dumps({"made_by": made_by, "sizes": sizes}) + "\n")


if __name__ == "__main__":
    main()
