"""Stage C's text encoder learns to read before Stage C learns to imagine, as the real one's CLIP had: which thing has
which colour, size and place. Read off the end of the caption, where CLIP pools, and at each word that completes a thing:
its noun, and the word for its place. The latter is what Stage C's attention can find by place; without it Stage C drew
both things of "A left of B" in the right colours and tossed a coin for who stands where.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor, nn

from . import tokenizer as bpe
from .captions import Stated, caption
from .configs import CONFIGS, TEXT_LENGTH
from .scene import COLORS, DRAWN_THINGS, FACING, PATTERNS, PLACES, SHAPES, SIZES, Mix, sample_scene
from .training import Plan, Trainer, compiled, trained
from .words import make_text_encoder

BATCH = 128
_KINDS = (*SHAPES, *DRAWN_THINGS)
_SLOTS = 3
_OF_THING = (_KINDS, COLORS, SIZES, PLACES)
_OF_GROUND = (COLORS, PATTERNS, COLORS)
_IGNORED = -100
_PLACE_WORDS = ("left", "right", "top", "bottom", "center", "middle", "above", "over", "below", "under")


def _code(names: tuple[str, ...], name: str | None) -> int:
    """The last code says that the caption leaves it open."""
    return len(names) if name is None else names.index(name)


def place_of(stated: Stated, slot: int) -> str | None:
    """Where a caption says that one of its things is."""
    return FACING[stated.relation][slot] if stated.relation else stated.things[slot].place


def codes_at_words(stated: Stated, nouns: list[int], places: list[int]) -> dict[int, list[int]]:
    """What is known of a thing at the positions of its noun and of its place's word, as four classes: a causal encoder
    knows no more at a word than what was said until then."""
    said, open_place = codes(stated), len(PLACES)
    known = {}
    named = [slot for slot, thing in enumerate(stated.things[:_SLOTS]) if thing.shape]
    for slot, position in zip(named, nouns, strict=False):
        four = said[4 * slot : 4 * slot + 4]
        known[position] = four if stated.relation and slot == 1 else [*four[:3], open_place]
    placed = [slot for slot in range(len(stated.things)) if place_of(stated, slot)]
    for slot, position in zip(placed, places, strict=False):  # a relation's word belongs to the first thing
        known[position] = said[4 * slot : 4 * slot + 4]
    return known


def codes(stated: Stated) -> list[int]:
    """All that a caption says, as classes: four of each of three things, in the caption's order, then the background."""
    found = []
    for slot in range(_SLOTS):
        if slot >= len(stated.things):
            found += [len(names) for names in _OF_THING]
            continue
        thing = stated.things[slot]
        values = (thing.shape, thing.color, thing.size, place_of(stated, slot))
        found += [_code(names, value) for names, value in zip(_OF_THING, values, strict=True)]
    ground = stated.background
    values = (ground.color, ground.pattern, ground.accent) if ground else (None, None, None)
    return found + [_code(names, value) for names, value in zip(_OF_GROUND, values, strict=True)]


class Reading(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.sizes = [len(names) + 1 for names in (*(_OF_THING * _SLOTS), *_OF_GROUND)]
        self.at_end = nn.Linear(channels, sum(self.sizes))
        self.at_word = nn.Linear(channels, sum(self.sizes[:4]))

    def forward(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        return self.at_end(hidden), self.at_word(hidden)


class Words:
    """Finds in a tokenised caption the words that complete a thing."""

    def __init__(self, tokenizer: Tokenizer):
        self.tokenizer = tokenizer
        self.nouns = self._single(_KINDS)
        self.places = self._single(_PLACE_WORDS)

    def _single(self, words: tuple[str, ...]) -> set[int]:
        """The ids of those words that are one token."""
        ids = [self.tokenizer.encode(word, add_special_tokens=False).ids for word in words]
        return {one[0] for one in ids if len(one) == 1}

    def known(self, ids: list[int], stated: Stated) -> dict[int, list[int]]:
        """As `codes_at_words`."""
        nouns = [position for position, token in enumerate(ids) if token in self.nouns]
        places = [position for position, token in enumerate(ids) if token in self.places]
        return codes_at_words(stated, nouns, places)


class Lessons:
    """Captions of random scenes of the training split, with what they say."""

    def __init__(self, tokenizer_folder: Path, mix: Mix):
        self.tokenizer = bpe.load(tokenizer_folder)
        self.words = Words(self.tokenizer)
        self.mix = mix

    def __call__(self, count: int, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """ids, mask (B, T); codes of all (B, 15); codes at words (B, T, 4)."""
        rng = random.Random(seed)
        rows = []
        for _ in range(count):
            one = caption(sample_scene(rng, self.mix), rng)
            ids, mask = bpe.encode(self.tokenizer, one.text, TEXT_LENGTH)
            known = self.words.known(ids, one.stated)
            words = [known.get(position, [_IGNORED] * 4) for position in range(len(ids))]
            rows.append((ids, mask, codes(one.stated), words))
        ids, mask, said, words = (torch.tensor(part) for part in zip(*rows, strict=True))
        return ids, mask, said, words


def train_text(
    folder: Path,
    mix: Mix,
    device: torch.device,
    seed: int = 5,
    steps: int = 2_000,
    until: float = math.inf,
    report: Callable[[], None] | None = None,
    compile: bool = False,
    start: Path | None = None,
    rate: float = 1e-3,
) -> bool:
    """`start`: a folder whose trained Stage C had a text encoder to begin with."""
    torch.manual_seed(seed)
    config = CONFIGS.prior_text_encoder
    modules = nn.ModuleDict(
        {"text": make_text_encoder(config, folder / "tokenizer"), "reading": Reading(config["hidden_size"])}
    )
    if start is not None:
        modules["text"].load_state_dict(trained(start / "prior.pt", "text"))
    trainer = Trainer("text", folder, modules, Plan(steps, rate, warmup=200, ema_decay=0.995), seed, device)
    if trainer.finished():
        return True
    lessons = Lessons(folder / "tokenizer", mix)
    read = compiled(lambda ids, mask: torch.cat(modules["reading"](modules["text"].encode(ids, mask)), -1), compile)
    sizes = modules["reading"].sizes

    def loss(step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        ids, mask, said, words = (part.to(device) for part in lessons(BATCH, seed * 7_000_003 + step))
        heads = read(ids, mask).float()
        end = heads[torch.arange(BATCH), mask.sum(1) - 1, : sum(sizes)].split(sizes, dim=-1)
        value = sum(F.cross_entropy(one, said[:, index]) for index, one in enumerate(end))
        word = heads[..., sum(sizes) :].split(sizes[:4], dim=-1)
        value = value + sum(
            F.cross_entropy(one.flatten(0, 1), words[..., index].flatten(), ignore_index=_IGNORED)
            for index, one in enumerate(word)
        )
        right = torch.stack([one.argmax(-1) == said[:, index] for index, one in enumerate(end)])
        asked = words[..., 0] != _IGNORED
        known = torch.stack([one.argmax(-1) == words[..., index] for index, one in enumerate(word)]).all(0)
        return value, {"right": right.all(0).float().mean().item(), "words": known[asked].float().mean().item()}

    return trainer.run(loss, until, report)
