"""Makes what the tests and benchmarks need and git should not hold: `python -m scripts.fixtures .fixtures`.

- `small`, `small-prior`: a checkpoint of seeded random weights at a tenth of v2's width, with CLIP's 77 tokens
- `graphs/small`: the graphs of its config
Made once; made again when the scripts they come from change.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
from pathlib import Path

from .bundled import tokenizer
from .configurations import from_folders
from .export import export_all
from .hub_layout import Checkpoint, write_checkpoint
from .random_checkpoint import SMALL, random_weights, with_vocabulary

SOURCES = [*Path(__file__).parent.glob("*.py"), *Path(__file__).parent.glob("networks/*.py")]
TOKENS = 77


def fingerprint() -> str:
    digest = hashlib.sha256()
    for path in sorted(SOURCES):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def write_small(out: Path) -> tuple[Path, Path]:
    """The small checkpoint: the decoder's folder and the prior's."""
    words = out / "tokenizer"
    tokenizer.save(tokenizer.train(tokenizer.training_captions(20_000, 1)), words, TOKENS)
    components = with_vocabulary(SMALL, tokenizer.load(words).get_vocab_size())
    weights = {one.name: random_weights(one, seed) for seed, one in enumerate(components)}
    card = "Seeded random weights for tests. They were never trained.\n"
    decoder, prior = out / "small", out / "small-prior"
    write_checkpoint(Checkpoint(components, weights.__getitem__, words, latent_mean=1.0, card=card), decoder, prior)
    return decoder, prior


def make(out: Path) -> None:
    decoder, prior = write_small(out)
    export_all(from_folders(decoder, prior), "small", out / "graphs", compare=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    stamp = options.out / "fingerprint"
    if stamp.exists() and stamp.read_text() == fingerprint():
        return
    shutil.rmtree(options.out, ignore_errors=True)
    options.out.mkdir(parents=True)
    make(options.out)
    stamp.write_text(fingerprint())


if __name__ == "__main__":
    main()
