"""Captions on their way into a text encoder."""

from __future__ import annotations

import random
from pathlib import Path

import torch
from torch import Tensor, nn

from ..networks import TextEncoder
from . import tokenizer as bpe
from .captions import caption
from .configs import TEXT_LENGTH
from .scene import Scene


class Captions:
    """Fresh captions of the drawn scenes, tokenised."""

    def __init__(self, tokenizer_folder: Path, scenes: list[Scene], dropout: float):
        self.tokenizer = bpe.load(tokenizer_folder)
        self.scenes = scenes
        self.dropout = dropout

    def __call__(self, indices: list[int], seed: int) -> tuple[Tensor, Tensor]:
        """(B, T) ids and mask."""
        rng = random.Random(seed)
        texts = ["" if rng.random() < self.dropout else caption(self.scenes[index], rng).text for index in indices]
        encoded = [bpe.encode(self.tokenizer, text, TEXT_LENGTH) for text in texts]
        return torch.tensor([ids for ids, _ in encoded]), torch.tensor([mask for _, mask in encoded])


def make_text_encoder(config: dict, tokenizer_folder: Path) -> TextEncoder:
    encoder = TextEncoder(vocab_size=bpe.load(tokenizer_folder).get_vocab_size(), **config)
    nn.init.normal_(encoder.text_model.embeddings.token_embedding.weight, std=0.5)
    nn.init.normal_(encoder.text_model.embeddings.position_embedding.weight, std=0.1)
    return encoder
