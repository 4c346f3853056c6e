"""What diffusers does with requests of many kinds: answers each JSON line with the pictures' shape, or with its error."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch
from diffusers import DiffusionPipeline

from scripts.reference import Pipelines, generate, imagine, load


def from_pretrained(folder: Path) -> tuple[int, ...]:
    """As its users load a checkpoint."""
    DiffusionPipeline.from_pretrained(folder)
    return ()


def decoder_alone(pipelines: Pipelines, request: dict[str, Any]) -> tuple[int, ...]:
    """Several pictures of one set of image embeddings."""
    embeddings = imagine(pipelines[0], {**request, "numImagesPerPrompt": 1}, torch.Generator().manual_seed(0))
    return pipelines[1](
        image_embeddings=embeddings,
        prompt=request["prompt"],
        num_images_per_prompt=request["numImagesPerPrompt"],
        num_inference_steps=request["numInferenceSteps"],
        output_type="np",
    ).images.shape


def with_embeddings(pipelines: Pipelines, request: dict[str, Any]) -> tuple[int, ...]:
    """A prompt in numbers beside a negative prompt in words."""
    prior = pipelines[0]
    given = torch.zeros(1, 77, prior.text_encoder.config.hidden_size)
    prior(
        prompt=None,
        prompt_embeds=given,
        negative_prompt=request["negativePrompt"],
        width=request["width"],
        height=request["height"],
        num_inference_steps=request["priorNumInferenceSteps"],
    )
    return ()


def answer(folder: Path, pipelines: Pipelines, request: dict[str, Any]) -> tuple[int, ...]:
    kind = request["kind"]
    if kind == "load":
        return from_pretrained(folder)
    if kind == "decode":
        return decoder_alone(pipelines, request)
    if kind == "embeddings":
        return with_embeddings(pipelines, request)
    return generate(pipelines, request).shape


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("decoder", type=Path)
    parser.add_argument("prior", type=Path)
    options = parser.parse_args()
    pipelines = load(options.decoder, options.prior)
    for line in sys.stdin:
        try:
            said: dict[str, Any] = {"shape": answer(options.decoder, pipelines, json.loads(line))}
        except Exception as error:  # whatever its users would see
            said = {"error": type(error).__name__, "message": (str(error).strip().splitlines() or [""])[0]}
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
