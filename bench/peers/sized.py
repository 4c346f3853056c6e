"""One step of a network at any size, for the plots: `python -m bench.peers.sized wuerstchen .bench --threads 2`.

Requests are `{"part": …, "batch": pictures, "size": pixels}`, one a line; answers the milliseconds of one step of it,
guidance included where the model's default has it.

SDXL's networks have its exact configs and random weights: every parameter is a window into one buffer that is larger
than a cache, so that ten gigabytes of weights cost a quarter of one and are read from memory all the same.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .sdxl import UNET, VAE
from .setting import Setting

BUFFER = 2**26  # values

Step = Callable[[], Any]


def fill_from_one_buffer(module: nn.Module) -> nn.Module:
    """Gives a module on `meta` weights without their memory."""
    buffer = torch.randn(BUFFER, generator=torch.Generator().manual_seed(0)) * 0.02
    place = 0
    for owner in module.modules():
        for name, parameter in list(owner.named_parameters(recurse=False)):
            count = parameter.numel()
            place = 0 if place + count > BUFFER else place
            window = buffer[place : place + count].view(parameter.shape)
            owner.register_parameter(name, nn.Parameter(window, requires_grad=False))
            place += count
    return module.eval()


def wuerstchen(home: Path, threads: int) -> dict[str, Callable[[int, int], Step]]:
    """Diffusers' own, of reduced depth, Stage C with SDPA."""
    prior = Setting(home, "prior", torch.float32, threads).load_with_sdpa().module
    decoder = Setting(home, "decoder", torch.float32, threads).load().module
    vqgan = Setting(home, "vqgan", torch.float32, threads).load().module

    def image(batch: int, size: int) -> Tensor:
        return torch.randn(batch, 16, -(-size * 24 // 1024), -(-size * 24 // 1024))

    def of_prior(batch: int, size: int) -> Step:
        x, text = image(2 * batch, size), torch.randn(2 * batch, 77, 1280)
        return lambda: prior(x, torch.full((2 * batch,), 0.5), text)

    def of_decoder(batch: int, size: int) -> Step:
        x, text = torch.randn(batch, 4, size // 4, size // 4), torch.randn(batch, 77, 1024)
        effnet = image(batch, size)
        return lambda: decoder(x, torch.full((batch,), 0.5), effnet, text)

    def of_vqgan(batch: int, size: int) -> Step:
        latents = torch.randn(batch, 4, size // 4, size // 4)
        return lambda: vqgan(latents)

    return {"prior": of_prior, "decoder": of_decoder, "vqgan": of_vqgan}


def sdxl(_home: Path, _threads: int) -> dict[str, Callable[[int, int], Step]]:
    from diffusers import AutoencoderKL, UNet2DConditionModel

    with torch.device("meta"):
        unet, vae = UNet2DConditionModel(**UNET), AutoencoderKL(**VAE)
    fill_from_one_buffer(unet), fill_from_one_buffer(vae)

    def of_unet(batch: int, size: int) -> Step:
        rows = 2 * batch
        x, text = torch.randn(rows, 4, size // 8, size // 8), torch.randn(rows, 77, 2048)
        added = {
            "text_embeds": torch.randn(rows, 1280),
            "time_ids": torch.tensor([[size, size, 0, 0, size, size]] * rows),
        }
        return lambda: unet(x, 500, text, added_cond_kwargs=added)

    def of_vae(batch: int, size: int) -> Step:
        latents = torch.randn(batch, 4, size // 8, size // 8)
        return lambda: vae.decode(latents)

    return {"unet": of_unet, "vae": of_vae}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=["wuerstchen", "sdxl"])
    parser.add_argument("home", type=Path)
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    started = time.perf_counter()
    parts = {"wuerstchen": wuerstchen, "sdxl": sdxl}[options.model](options.home, options.threads)
    print(json.dumps({"seconds": time.perf_counter() - started}), flush=True)
    with torch.no_grad():
        for line in sys.stdin:
            request = json.loads(line)
            step = parts[request["part"]](request["batch"], request["size"])
            started = time.perf_counter()
            step()
            print(json.dumps({"milliseconds": (time.perf_counter() - started) * 1000}), flush=True)


if __name__ == "__main__":
    main()
