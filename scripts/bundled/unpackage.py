"""The released model as the folder of a finished training, to go on from: `python -m scripts.bundled.unpackage OUT`, then
`python -m scripts.bundled.train --from OUT`."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from ..hub_layout import DEFAULT_WEIGHTS, WEIGHTS

_TEXT_WEIGHTS = WEIGHTS["CLIPTextModel"]


def _named(prefix: str, file: Path) -> dict[str, Tensor]:
    floats = {key: value.float() if value.is_floating_point() else value for key, value in load_file(file).items()}
    return {f"{prefix}.{key}": value for key, value in floats.items()}


def unpackage(decoder: Path, prior: Path, out: Path) -> None:
    """Writes what `trained()` reads of each part: the averaged weights. No optimizer's state is released."""
    shutil.copytree(decoder / "tokenizer", out / "tokenizer", dirs_exist_ok=True)
    parts = {
        "semantic": _named("encoder", decoder / "semantic_encoder" / DEFAULT_WEIGHTS)
        | _named("rebuilder", decoder / "previewer" / DEFAULT_WEIGHTS),
        "decoder": _named("text", decoder / "text_encoder" / _TEXT_WEIGHTS)
        | _named("decoder", decoder / "decoder" / DEFAULT_WEIGHTS),
        "prior": _named("text", prior / "text_encoder" / _TEXT_WEIGHTS)
        | _named("prior", prior / "prior" / DEFAULT_WEIGHTS),
    }
    for name, average in parts.items():
        torch.save({"average": average}, out / f"{name}.pt")
    vqgan = _named("vqgan", decoder / "vqgan" / DEFAULT_WEIGHTS)
    torch.save({key.removeprefix("vqgan."): value for key, value in vqgan.items()}, out / "vqgan-final.pt")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", type=Path, default=Path("models/shapes"))
    options = parser.parse_args()
    unpackage(options.model, options.model.with_name(f"{options.model.name}-prior"), options.out)


if __name__ == "__main__":
    main()
