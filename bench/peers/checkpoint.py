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
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from scripts.bundled import tokenizer
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


def inputs() -> dict[str, torch.Tensor]:
    """Stage C: a guided row of 1024x1024, the positive text first. Stage B: 1024x1024. Stage A: 512x512."""
    generator = torch.Generator().manual_seed(1)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    return {
        "prior.latents": normal(1, 16, 24, 24),
        "prior.text": normal(2, TOKENS, 1280),
        "decoder.latents": normal(1, 4, 256, 256),
        "decoder.image": normal(1, 16, 24, 24),
        "decoder.text": normal(1, TOKENS, 1024),
        "vqgan.latents": normal(1, 4, 128, 128),
        "ratio": torch.tensor([0.6]),
    }


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    home = parser.parse_args().home
    home.mkdir(exist_ok=True)
    values = [SCRIPTS / f"{name}.py" for name in ("configurations", "hub_layout", "random_checkpoint")]
    once(home / "weights.fingerprint", fingerprint(Path(__file__), *values), lambda: write_weights(home))
    networks = [*SCRIPTS.glob("networks/*.py"), SCRIPTS / "export.py"]
    once(home / "graphs.fingerprint", fingerprint(Path(__file__), *values, *networks), lambda: write_graphs(home))


if __name__ == "__main__":
    main()
