"""What all contenders of `npm run bench` share: `python -m bench.peers.checkpoint .bench`.

- `v2-shallow`, `v2-shallow-prior`: v2 at its full widths with few blocks, seeded random weights in the hub's layout
- `graphs/v2-shallow`: our graphs of that config
- `inputs.safetensors`: one set of inputs for every stage
Each is made once, and again when the scripts it comes from change.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import math
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from scripts.bundled import tokenizer
from scripts.compile import compile_all
from scripts.configurations import V2, Component, from_folders
from scripts.export import export_all
from scripts.hub_layout import Checkpoint, write_checkpoint
from scripts.random_checkpoint import random_weights, with_vocabulary

SCRIPTS = Path(__file__).parents[2] / "scripts"
NAME = "v2-shallow"
TOKENS = 77

# Stage A keeps its full depth. The text encoders are no part of what is measured.
CUTS: dict[str, dict[str, Any]] = {
    "prior_text_encoder": {"num_hidden_layers": 1},
    "prior": {"depth": 4},
    "text_encoder": {"num_hidden_layers": 1},
    "decoder": {"blocks": [1, 1, 2, 1]},
    "vqgan": {},
}


def configuration(vocabulary: int = 49408) -> tuple[Component, ...]:
    cut = tuple(dataclasses.replace(one, config={**one.config, **CUTS[one.name]}) for one in V2)
    return with_vocabulary(cut, vocabulary)


def normals(shapes: dict[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def inputs_of_size(size: int, vqgan_size: int | None = None) -> dict[str, torch.Tensor]:
    """Of a picture of size x size pixels: Stage C gets a guided row, the positive text first."""
    image, latents, vqgan = math.ceil(size * 24 / 1024), size // 4, (vqgan_size or size) // 4
    made = normals(
        {
            "prior.latents": (1, 16, image, image),
            "prior.text": (2, TOKENS, 1280),
            "decoder.latents": (1, 4, latents, latents),
            "decoder.image": (1, 16, image, image),
            "decoder.text": (1, TOKENS, 1024),
            "vqgan.latents": (1, 4, vqgan, vqgan),
        }
    )
    return {**made, "ratio": torch.tensor([0.6])}


def inputs() -> dict[str, torch.Tensor]:
    """1024x1024, but 512x512 for Stage A, of which nothing is left out."""
    return inputs_of_size(1024, vqgan_size=512)


def fingerprint(*paths: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def once(stamp: Path, wanted: str, make: Any) -> None:
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    stamp.unlink(missing_ok=True)
    make()
    stamp.write_text(wanted)


def write_weights(home: Path) -> None:
    words = home / "tokenizer"
    tokenizer.save(tokenizer.train(tokenizer.training_captions(2_000, 1)), words, TOKENS)
    components = configuration(tokenizer.load(words).get_vocab_size())
    seeds = {one.name: seed for seed, one in enumerate(components)}

    def weights(name: str) -> dict[str, torch.Tensor]:
        return random_weights(next(one for one in components if one.name == name), seeds[name])

    card = "Seeded random weights for benchmarks. They were never trained.\n"
    checkpoint = Checkpoint(components, weights, words, card=card)
    write_checkpoint(checkpoint, home / NAME, home / f"{NAME}-prior")
    save_file(inputs(), home / "inputs.safetensors")


def write_graphs(home: Path) -> None:
    components = from_folders(home / NAME, home / f"{NAME}-prior")
    export_all(components, NAME, home / "graphs", compare=False)


def compile_graphs(home: Path, dtype: str) -> None:
    components = from_folders(home / NAME, home / f"{NAME}-prior")
    compile_all(components, home / "graphs" / NAME, "cpu", getattr(torch, dtype))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--compile", metavar="DTYPE", help="compile the graphs, too")
    options = parser.parse_args()
    home = options.home
    home.mkdir(exist_ok=True)
    values = [SCRIPTS / f"{name}.py" for name in ("configurations", "hub_layout", "random_checkpoint")]
    once(home / "weights.fingerprint", fingerprint(Path(__file__), *values), lambda: write_weights(home))
    networks = [*SCRIPTS.glob("networks/*.py"), SCRIPTS / "export.py"]
    sources = [Path(__file__), *values, *networks]
    once(home / "graphs.fingerprint", fingerprint(*sources), lambda: write_graphs(home))
    if options.compile:
        code = fingerprint(SCRIPTS / "compile.py", *sources) + options.compile
        once(home / "compiled.fingerprint", code, lambda: compile_graphs(home, options.compile))


if __name__ == "__main__":
    main()
