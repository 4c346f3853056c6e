"""Makes what the tests and benchmarks need and git should not hold: `python -m scripts.fixtures .fixtures`.

- `small`, `small-prior`: a checkpoint of seeded random weights at a tenth of v2's width, with CLIP's 77 tokens
- `fast-test`, `fast-test-prior`: the checkpoint of diffusers' own fast test
- `graphs/small`, `graphs/fast-test`: the graphs of their configs
Made once; made again when the scripts they come from change.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
from pathlib import Path

from .bundled import tokenizer
from .configurations import from_folders
from .diffusers_checkpoint import FAST_TEST, first_weights
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


def _write_tokenizer(out: Path) -> Path:
    words = out / "tokenizer"
    if not words.exists():
        tokenizer.save(tokenizer.train(tokenizer.training_captions(20_000, 1)), words, TOKENS)
    return words


def write_small(out: Path) -> tuple[Path, Path]:
    """The small checkpoint: the decoder's folder and the prior's."""
    words = _write_tokenizer(out)
    components = with_vocabulary(SMALL, tokenizer.load(words).get_vocab_size())
    weights = {one.name: random_weights(one, seed) for seed, one in enumerate(components)}
    card = "Seeded random weights for tests. They were never trained.\n"
    decoder, prior = out / "small", out / "small-prior"
    write_checkpoint(Checkpoint(components, weights.__getitem__, words, latent_mean=1.0, card=card), decoder, prior)
    return decoder, prior


def write_fast_test(out: Path) -> tuple[Path, Path]:
    words = _write_tokenizer(out)
    components = with_vocabulary(FAST_TEST, tokenizer.load(words).get_vocab_size())
    weights = {one.name: first_weights(one) for one in components}
    decoder, prior = out / "fast-test", out / "fast-test-prior"
    card = "The first weights of the networks in a test of diffusers. They were never trained.\n"
    write_checkpoint(Checkpoint(components, weights.__getitem__, words, card=card), decoder, prior)
    return decoder, prior


def make(out: Path) -> None:
    for write in (write_small, write_fast_test):
        decoder, prior = write(out)
        export_all(from_folders(decoder, prior), decoder.name, out / "graphs", compare=False)


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
