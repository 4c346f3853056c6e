"""Who stands where: which words of a caption carry the thing at a place, which cells of a picture it covers, and how
far Stage C's attention leads from the one to the other.
"""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..networks import Prior
from ..networks.blocks import AttentionBlock
from . import tokenizer as bpe
from .captions import Style, caption
from .configs import SEMANTIC_GRID, TEXT_LENGTH
from .dataset import Drawings
from .scene import PLACES, Scene
from .train_semantic import covered
from .train_text import Words

NOWHERE = -1
_PLACED = Style(place=1.0, shape=1.0, together=0.0)  # a relation or all places: every caption says who stands where
_POSITIONED = 4  # blocks of residual, timestep and attention after which a cell knows where it is


class PlacedCaptions:
    """Captions of scenes of one or two things that always say who stands where."""

    def __init__(self, tokenizer_folder: Path, drawings: Drawings, scenes: list[Scene]):
        self.tokenizer = bpe.load(tokenizer_folder)
        self.words = Words(self.tokenizer)
        self.drawings, self.scenes = drawings, scenes
        self.indices = [index for index, scene in enumerate(scenes) if len(scene.things) <= 2]

    def __call__(self, indices: list[int], seed: int) -> tuple[Tensor, Tensor, Tensor]:
        """ids, mask (B, T); for each word the place whose thing it carries, or NOWHERE (B, T)."""
        rng = random.Random(seed)
        rows = []
        for index in indices:
            one = caption(self.scenes[index], rng, _PLACED)
            ids, mask = bpe.encode(self.tokenizer, one.text, TEXT_LENGTH)
            places = [NOWHERE] * len(ids)
            for position, (*_, place) in self.words.known(ids, one.stated).items():
                places[position] = place if place < len(PLACES) else NOWHERE
            rows.append((ids, mask, places))
        ids, mask, places = (torch.tensor(part) for part in zip(*rows, strict=True))
        return ids, mask, places

    def cells(self, indices: list[int]) -> Tensor:
        """The place of the thing that covers each cell, or NOWHERE (B, 36)."""
        found = np.full((len(indices), SEMANTIC_GRID, SEMANTIC_GRID), NOWHERE)
        for row, index in enumerate(indices):
            for placed, here in covered(self.drawings.placed(index)):
                found[row][here] = PLACES.index(placed.thing.place)
        return torch.from_numpy(found).flatten(1)


def step_attending(
    prior: Prior, x: Tensor, modulation: Tensor, condition: list[Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """As `prior.step`, with what it divides by, (B, C, H, W), and how strongly each cell asks for each word, (B, blocks,
    heads, 36, T) logits."""
    noisy, logits = x, []
    x = prior.projection(x.permute(0, 2, 3, 1))
    skip = x[..., :0]
    for block in prior.blocks:
        if isinstance(block, AttentionBlock) and block.index >= _POSITIONED:
            queries = block.split(block.attention.to_q(block.norm(x).flatten(1, 2)))
            keys = condition[block.index][:, 0]
            logits.append(queries @ keys.transpose(-1, -2) / block.head_dim**0.5)
        x = block(x, modulation, condition, skip)
    a, b = prior.out(x).permute(0, 3, 1, 2).chunk(2, dim=1)
    divisor = (1 - b).abs() + 1e-5
    return (noisy - a) / divisor, divisor, torch.stack(logits, dim=1)


def mistaken(logits: Tensor, places_of_cells: Tensor, places_of_words: Tensor) -> Tensor:
    """How surely a thing's cells ask, of all words that carry a placed thing, for those that carry their own: minus
    the logarithm of that share, averaged over blocks, heads and the cells that have such words; a scalar."""
    carries = places_of_words != NOWHERE  # (B, T)
    own = places_of_cells[:, :, None] == places_of_words[:, None, :]  # (B, 36, T)
    own = own & carries[:, None, :]
    asked = own.any(-1)  # (B, 36)
    among = logits.masked_fill(~carries[:, None, None, None, :], -1e4).logsumexp(-1)
    right = logits.masked_fill(~own[:, None, None], -1e4).logsumexp(-1)
    surprise = (among - right).mean(dim=(1, 2))  # (B, 36)
    return (surprise * asked).sum() / asked.sum().clamp(min=1)
