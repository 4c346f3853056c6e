"""What people write today: FastAPI around diffusers, one call at a time, as the example servers of diffusers do it.

It answers the package's own benchmark: POST /v1/images/generations, GET /healthz and GET /readyz.
"""

from __future__ import annotations

import argparse
import base64
import io
import random
import threading
import time
from pathlib import Path
from typing import Any

import torch
import uvicorn
from fastapi import FastAPI
from PIL import Image
from pydantic import BaseModel

from scripts.reference import Pipelines, generate, load


class Wanted(BaseModel):
    prompt: str
    n: int = 1
    size: str = "256x256"
    wuerstchen: dict[str, Any] = {}


def build(pipelines: Pipelines) -> FastAPI:
    app = FastAPI()
    # Its schedulers hold the state of the call under way (huggingface/diffusers#3672).
    lock = threading.Lock()

    @app.get("/healthz")
    @app.get("/readyz")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/v1/images/generations")
    def images(wanted: Wanted) -> dict[str, Any]:
        width, height = (int(side) for side in wanted.size.split("x"))
        options = wanted.wuerstchen
        request = {
            "prompt": wanted.prompt,
            "width": width,
            "height": height,
            "numImagesPerPrompt": wanted.n,
            "seed": options.get("seed", random.getrandbits(32)),
            "priorNumInferenceSteps": options.get("prior_num_inference_steps", 29),
            "priorGuidanceScale": options.get("prior_guidance_scale", 4.0),
            "numInferenceSteps": options.get("num_inference_steps", 12),
        }
        with lock:
            pictures = generate(pipelines, request)
        return {"created": int(time.time()), "data": [{"b64_json": png(picture)} for picture in pictures]}

    return app


def png(picture: Any) -> str:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("decoder", type=Path)
    parser.add_argument("prior", type=Path)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    app = build(load(options.decoder, options.prior))
    uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning")


if __name__ == "__main__":
    main()
