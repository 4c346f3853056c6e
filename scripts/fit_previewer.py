"""Fits a previewer to a checkpoint: `python -m scripts.fit_previewer DECODER PRIOR`. The checkpoint itself imagines and paints
pictures of many prompts; the previewer learns to make of the image embeddings what the decoder painted, at an eighth of
a cell. It is written beside the decoder's networks, where the package finds it; its graph comes with the package.

Needs diffusers. For v2 better a GPU: on a CPU each of its pictures takes minutes.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from .hub_layout import DEFAULT_WEIGHTS, DIFFUSERS_VERSION
from .networks import Previewer

CONFIG = {"c_in": 16, "c_hidden": [96, 64, 32]}  # what the package's graph has
SCALE = 8  # pixels of a preview per cell of the prior's grid
HELD_OUT = 0.1  # of the pairs

_THINGS = (
    "a red circle", "a yellow star", "a green house", "a blue fish", "a cat", "a portrait of an old man", "a mountain lake",
    "a city at night", "a bowl of fruit", "a castle on a hill", "a forest in autumn", "a robot", "a ship at sea", "a dog",
    "a vase of flowers", "a car on a road", "a bird", "a bridge over a river", "a child with a balloon", "an abstract pattern",
)  # fmt: skip
_MANNERS = (
    "", "on a blue background", "on a white background", "in the snow", "at sunset", "as an oil painting",
    "in black and white", "as a photograph", "on a grey background", "in bright colours",
)  # fmt: skip


def prompts_of(file: Path | None, count: int, seed: int) -> list[str]:
    """Lines of a file, or our own; repeated until there are enough, with other noise every time."""
    if file is None:
        known = [f"{thing} {manner}".strip() for thing in _THINGS for manner in _MANNERS]
    else:
        known = [line.strip() for line in file.read_text().splitlines() if line.strip()]
    if not known:
        raise ValueError(f"Expected {file} to hold prompts, one a line, but found none")
    random.Random(seed).shuffle(known)
    return [known[index % len(known)] for index in range(count)]


def small(pictures: Tensor, embeddings: Tensor) -> Tensor:
    """Pictures (N, 3, H, W) in [0, 1], as large as a preview of their embeddings (N, C, h, w)."""
    height, width = embeddings.shape[-2:]
    return F.interpolate(pictures, (SCALE * height, SCALE * width), mode="area")


def paint_pairs(options: argparse.Namespace) -> Iterator[tuple[Tensor, Tensor]]:
    """Image embeddings (1, C, h, w) and the small picture that the decoder makes of them, one after the other."""
    from .reference import imagine, load, paint  # diffusers, which the fit itself does not need

    pipelines = load(options.decoder, options.prior, getattr(torch, options.dtype))
    for pipeline in pipelines:
        pipeline.to(options.device)
    prompts = prompts_of(options.prompts, options.pairs, options.seed)
    for index, prompt in enumerate(prompts):
        request = {
            "prompt": prompt,
            "width": options.size,
            "height": options.size,
            "priorNumInferenceSteps": options.prior_steps,
            "priorGuidanceScale": options.guidance,
            "numInferenceSteps": options.decoder_steps,
        }
        generator = torch.Generator().manual_seed(options.seed + index)
        embeddings = imagine(pipelines[0], request, generator)
        pictures = torch.from_numpy(paint(pipelines[1], embeddings, request, generator))
        embeddings = embeddings.float().cpu()
        yield embeddings, small(pictures.permute(0, 3, 1, 2).float() / 255, embeddings)
        if (index + 1) % 16 == 0:
            print(f"painted {index + 1} of {len(prompts)}", flush=True)


def fit(embeddings: Tensor, pictures: Tensor, steps: int, rate: float = 2e-3, seed: int = 0) -> Previewer:
    """Image embeddings (N, C, h, w) and small pictures (N, 3, 8h, 8w) -> a previewer for them."""
    torch.manual_seed(seed)
    previewer = Previewer(**{**CONFIG, "c_in": embeddings.shape[1]})
    with torch.no_grad():  # as if the embeddings had a deviation of one: the weights say so, not the pipeline
        previewer.first.weight /= embeddings.std().clamp(min=1e-6)
    # The last level adds to the mean colour.
    optimizer = torch.optim.AdamW(previewer.parameters(), lr=rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=max(steps, 2), pct_start=0.1)
    for _ in range(steps):
        chosen = torch.randint(len(embeddings), (min(16, len(embeddings)),))
        loss = F.l1_loss(previewer(embeddings[chosen]), pictures[chosen])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(previewer.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return previewer.eval()


@torch.no_grad()
def error(previewer: Previewer, embeddings: Tensor, pictures: Tensor) -> float:
    """Mean difference of its previews, in levels of 255."""
    return 255 * F.l1_loss(previewer.decode(embeddings), pictures).item()


def write(previewer: Previewer, folder: Path) -> None:
    """In the hub's layout: a component like the others."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"_class_name": "WuerstchenPreviewer", "_diffusers_version": DIFFUSERS_VERSION, **CONFIG}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    weights = {name: tensor.contiguous() for name, tensor in previewer.state_dict().items()}
    save_file(weights, folder / DEFAULT_WEIGHTS, metadata={"format": "pt"})


def read(folder: Path) -> Previewer:
    config = json.loads((folder / "config.json").read_text())
    previewer = Previewer(c_in=config["c_in"], c_hidden=config["c_hidden"])
    weights = load_file(folder / DEFAULT_WEIGHTS)
    previewer.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
    return previewer.eval()


def split(count: int) -> int:
    """How many of so many pairs are learnt; the rest tell how well."""
    if count < 2:
        raise ValueError(f"Expected at least 2 pairs but received {count}")
    return min(count - 1, max(1, round(count * (1 - HELD_OUT))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("decoder", type=Path, help="the decoder's folder in the hub's layout")
    parser.add_argument("prior", type=Path, help="the prior's")
    parser.add_argument("--out", type=Path, help="where it is written; by default `previewer` in the decoder's folder")
    parser.add_argument("--prompts", type=Path, help="a file of prompts, one a line; by default our own two hundred")
    parser.add_argument("--pairs", type=int, default=400, help="pictures to paint")
    parser.add_argument("--size", type=int, default=512, help="of these, in pixels: a multiple of 128")
    parser.add_argument("--prior-steps", type=int, default=20)
    parser.add_argument("--decoder-steps", type=int, default=10)
    parser.add_argument("--guidance", type=float, default=4.0, help="of the prior")
    parser.add_argument("--steps", type=int, default=3000, help="of the fit")
    parser.add_argument("--dtype", choices=["float32", "bfloat16", "float16"], default="float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    out = options.out or options.decoder / "previewer"
    learnt = split(options.pairs)
    embeddings, pictures = (torch.cat(part) for part in zip(*paint_pairs(options), strict=True))
    previewer = fit(embeddings[:learnt], pictures[:learnt], options.steps, seed=options.seed)
    held_out = embeddings[learnt:], pictures[learnt:]
    mean = pictures[:learnt].mean(dim=(0, 2, 3)).view(1, 3, 1, 1)
    print(f"pictures painted: {len(pictures)}, of which {len(pictures) - learnt} were kept from the fit")
    print(f"mean difference on those, in levels of 255: {error(previewer, *held_out):.2f}")
    print(f"of one colour everywhere: {255 * (held_out[1] - mean).abs().mean().item():.2f}")
    if (options.decoder / "previewer" / "config.json").is_file():
        print(f"of the previewer that is there: {error(read(options.decoder / 'previewer'), *held_out):.2f}")
    write(previewer, out)
    print(f"wrote {out}")


if __name__ == "__main__":
    main()
