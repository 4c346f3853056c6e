"""The reference: diffusers' own Würstchen, built by hand from a folder in the hub layout (its `from_pretrained` raises).

As a program it answers requests, one JSON object a line on standard input, with one line each on standard output:
pictures go to the file that the request names. That is how the tests of the package compare the two live.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDPMWuerstchenScheduler
from diffusers.pipelines.deprecated.wuerstchen import (
    PaellaVQModel,
    WuerstchenDecoderPipeline,
    WuerstchenDiffNeXt,
    WuerstchenPrior,
    WuerstchenPriorPipeline,
)
from safetensors.torch import load_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from .hub_layout import DEFAULT_WEIGHTS, WEIGHTS


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def _load_network(network: type[torch.nn.Module], folder: Path) -> torch.nn.Module:
    config = {key: value for key, value in _json(folder / "config.json").items() if not key.startswith("_")}
    module = network(**config)
    state = load_file(folder / DEFAULT_WEIGHTS)
    module.load_state_dict(
        {key: tensor.float() if tensor.is_floating_point() else tensor for key, tensor in state.items()}
    )
    return module.eval()


def _load_text_encoder(folder: Path) -> CLIPTextModel:
    model = CLIPTextModel(CLIPTextConfig(**_json(folder / "config.json")))
    prefix = "text_model."  # transformers 5 drops it
    state = load_file(folder / WEIGHTS["CLIPTextModel"])
    model.load_state_dict({key.removeprefix(prefix): tensor.float() for key, tensor in state.items()})
    return model.eval()


def _load_tokenizer(folder: Path) -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained(folder)


def load(
    decoder: Path, prior: Path, dtype: torch.dtype = torch.float32
) -> tuple[WuerstchenPriorPipeline, WuerstchenDecoderPipeline]:
    """Both pipelines with the constants of the folders' model_index.json."""
    prior_index, decoder_index = _json(prior / "model_index.json"), _json(decoder / "model_index.json")
    scheduler = DDPMWuerstchenScheduler(scaler=1.0, s=0.008)
    prior_pipeline = WuerstchenPriorPipeline(
        tokenizer=_load_tokenizer(prior / "tokenizer"),
        text_encoder=_load_text_encoder(prior / "text_encoder"),
        prior=_load_network(WuerstchenPrior, prior / "prior"),
        scheduler=scheduler,
        latent_mean=prior_index["latent_mean"],
        latent_std=prior_index["latent_std"],
        resolution_multiple=prior_index["resolution_multiple"],
    )
    decoder_pipeline = WuerstchenDecoderPipeline(
        tokenizer=_load_tokenizer(decoder / "tokenizer"),
        text_encoder=_load_text_encoder(decoder / "text_encoder"),
        decoder=_load_network(WuerstchenDiffNeXt, decoder / "decoder"),
        scheduler=DDPMWuerstchenScheduler(scaler=1.0, s=0.008),
        vqgan=_load_network(PaellaVQModel, decoder / "vqgan"),
        latent_dim_scale=decoder_index["latent_dim_scale"],
    )
    for pipeline in (prior_pipeline, decoder_pipeline):
        pipeline.to(dtype)
        pipeline.set_progress_bar_config(disable=True)
    return prior_pipeline, decoder_pipeline


@torch.no_grad()
def generate(
    pipelines: tuple[WuerstchenPriorPipeline, WuerstchenDecoderPipeline], request: dict[str, Any]
) -> np.ndarray:
    """Pictures (N, H, W, 3) uint8. `request` has the package's option names."""
    prior_pipeline, decoder_pipeline = pipelines
    generator = torch.Generator().manual_seed(request["seed"])
    embeddings = prior_pipeline(
        prompt=request["prompt"],
        negative_prompt=request.get("negativePrompt"),
        width=request["width"],
        height=request["height"],
        num_inference_steps=request.get("priorNumInferenceSteps", 60),
        timesteps=request.get("priorTimesteps"),
        guidance_scale=request.get("priorGuidanceScale", 4.0),
        num_images_per_prompt=request.get("numImagesPerPrompt", 1),
        generator=generator,
    ).image_embeddings
    if "decoderSeed" in request:  # a second generator, as somebody has who decodes later
        generator = torch.Generator().manual_seed(request["decoderSeed"])
    pictures = decoder_pipeline(
        image_embeddings=embeddings,
        prompt=request["prompt"],
        negative_prompt=request.get("negativePrompt"),
        num_inference_steps=request.get("numInferenceSteps", 12),
        timesteps=request.get("decoderTimesteps"),
        guidance_scale=request.get("decoderGuidanceScale", 0.0),
        generator=generator,
        output_type="np",
    ).images
    return (pictures * 255).round().astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("decoder", type=Path)
    parser.add_argument("prior", type=Path)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--dtype", choices=["float32", "bfloat16", "float16"], default="float32")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    pipelines = load(options.decoder, options.prior, getattr(torch, options.dtype))
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        started = time.perf_counter()
        pictures = generate(pipelines, request)
        seconds = time.perf_counter() - started
        pictures.tofile(request["out"])
        print(json.dumps({"shape": pictures.shape, "seconds": seconds}), flush=True)


if __name__ == "__main__":
    main()
