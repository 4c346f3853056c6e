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
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

EMBEDDINGS = "image_embeddings"  # the tensor's name in the package's files


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def load(
    decoder: Path, prior: Path, dtype: torch.dtype = torch.float32, device: str = "cpu"
) -> tuple[WuerstchenPriorPipeline, WuerstchenDecoderPipeline]:
    """Both pipelines with the constants of the folders' model_index.json; each component loads as its users load it."""
    prior_index, decoder_index = _json(prior / "model_index.json"), _json(decoder / "model_index.json")

    def text(folder: Path) -> dict[str, Any]:
        return {
            "tokenizer": CLIPTokenizer.from_pretrained(folder / "tokenizer"),
            "text_encoder": CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=dtype),
            "scheduler": DDPMWuerstchenScheduler(scaler=1.0, s=0.008),
        }

    prior_pipeline = WuerstchenPriorPipeline(
        **text(prior),
        prior=WuerstchenPrior.from_pretrained(prior / "prior", torch_dtype=dtype),
        latent_mean=prior_index["latent_mean"],
        latent_std=prior_index["latent_std"],
        resolution_multiple=prior_index["resolution_multiple"],
    )
    decoder_pipeline = WuerstchenDecoderPipeline(
        **text(decoder),
        decoder=WuerstchenDiffNeXt.from_pretrained(decoder / "decoder", torch_dtype=dtype),
        vqgan=PaellaVQModel.from_pretrained(decoder / "vqgan", torch_dtype=dtype),
        latent_dim_scale=decoder_index["latent_dim_scale"],
    )
    for pipeline in (prior_pipeline, decoder_pipeline):
        pipeline.set_progress_bar_config(disable=True)
        pipeline.to(device)
    return prior_pipeline, decoder_pipeline


Pipelines = tuple[WuerstchenPriorPipeline, WuerstchenDecoderPipeline]


@torch.no_grad()
def imagine(pipeline: WuerstchenPriorPipeline, request: dict[str, Any], generator: torch.Generator) -> Tensor:
    """The image embeddings (N, 16, h, w) of a request that has the package's option names."""
    return pipeline(
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


@torch.no_grad()
def paint(
    pipeline: WuerstchenDecoderPipeline, embeddings: Tensor, request: dict[str, Any], generator: torch.Generator
) -> np.ndarray:
    """Pictures (N, H, W, 3) uint8 of image embeddings."""
    pictures = pipeline(
        image_embeddings=embeddings,
        prompt=request.get("prompt", ""),
        negative_prompt=request.get("negativePrompt"),
        num_inference_steps=request.get("numInferenceSteps", 12),
        timesteps=request.get("decoderTimesteps"),
        guidance_scale=request.get("decoderGuidanceScale", 0.0),
        generator=generator,
        output_type="np",
    ).images
    return (pictures * 255).round().astype(np.uint8)


def generate(pipelines: Pipelines, request: dict[str, Any]) -> np.ndarray:
    prior_pipeline, decoder_pipeline = pipelines
    generator = torch.Generator().manual_seed(request["seed"])
    embeddings = imagine(prior_pipeline, request, generator)
    if "decoderSeed" in request:  # a second generator, as somebody has who decodes later
        generator = torch.Generator().manual_seed(request["decoderSeed"])
    return paint(decoder_pipeline, embeddings, request, generator)


def answer(pipelines: Pipelines, request: dict[str, Any]) -> dict[str, Any]:
    """Does what one request asks for and writes it to the request's file. `kind`: "generate", or one half of it."""
    kind, seed = request.get("kind", "generate"), request["seed"]
    if kind == "prior":
        embeddings = imagine(pipelines[0], request, torch.Generator().manual_seed(seed))
        save_file({EMBEDDINGS: embeddings.float().contiguous()}, request["out"])
        return {"shape": embeddings.shape}
    if kind == "decode":
        embeddings = load_file(request["embeddings"])[EMBEDDINGS].to(pipelines[1].decoder.dtype)
        pictures = paint(pipelines[1], embeddings, request, torch.Generator().manual_seed(seed))
    else:
        pictures = generate(pipelines, request)
    pictures.tofile(request["out"])
    return {"shape": pictures.shape}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("decoder", type=Path)
    parser.add_argument("prior", type=Path)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--dtype", choices=["float32", "bfloat16", "float16"], default="float32")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    started = time.perf_counter()
    pipelines = load(options.decoder, options.prior, getattr(torch, options.dtype), options.device)
    print(json.dumps({"seconds": time.perf_counter() - started}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        started = time.perf_counter()
        made = answer(pipelines, request)
        print(json.dumps({**made, "seconds": time.perf_counter() - started}), flush=True)


if __name__ == "__main__":
    main()
