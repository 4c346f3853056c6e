"""One picture by diffusers, from a cold start: what `wuerstchen generate` is measured against."""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

from .reference import generate, load


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("decoder", type=Path)
    parser.add_argument("prompt")
    parser.add_argument("out", type=Path)
    parser.add_argument("--size", type=int, default=256)
    options = parser.parse_args()
    pipelines = load(options.decoder, options.decoder.with_name(f"{options.decoder.name}-prior"))
    from diffusers.pipelines.deprecated.wuerstchen.pipeline_wuerstchen_prior import DEFAULT_STAGE_C_TIMESTEPS

    request = {
        "prompt": options.prompt,
        "seed": 7,
        "width": options.size,
        "height": options.size,
        "priorTimesteps": DEFAULT_STAGE_C_TIMESTEPS,
    }
    Image.fromarray(generate(pipelines, request)[0]).save(options.out)


if __name__ == "__main__":
    main()
