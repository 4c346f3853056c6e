"""The checkpoints that tests and benchmarks run, and their graphs: made by `fixtures.py`."""

from __future__ import annotations

from pathlib import Path

from .bundled import tokenizer
from .configurations import from_folders
from .diffusers_checkpoint import FAST_TEST, first_weights
from .export import export_all
from .hub_layout import Checkpoint, write_checkpoint
from .random_checkpoint import SMALL, random_weights, with_vocabulary

TOKENS = 77


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
