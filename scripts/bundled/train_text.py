"""Stage C's text encoder learns to read before Stage C learns to imagine, as the real one's CLIP had: which thing has
which colour, size and place. Read off the end of the caption, where CLIP pools, and at each noun as far as known there.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import tokenizer as bpe
from .captions import Stated, caption
from .configs import CONFIGS, TEXT_LENGTH
from .scene import COLORS, DRAWN_THINGS, FACING, PATTERNS, PLACES, SHAPES, SIZES, Mix, sample_scene
from .training import Plan, Trainer, compiled
from .words import make_text_encoder

BATCH = 128
_KINDS = (*SHAPES, *DRAWN_THINGS)
_SLOTS = 3
_OF_THING = (_KINDS, COLORS, SIZES, PLACES)
_OF_GROUND = (COLORS, PATTERNS, COLORS)
_IGNORED = -100


def _code(names: tuple[str, ...], name: str | None) -> int:
    """The last code says that the caption leaves it open."""
    return len(names) if name is None else names.index(name)


def codes(stated: Stated) -> list[int]:
    """All that a caption says, as classes: four of each of three things, in the caption's order, then the background."""
    found = []
    facing = FACING.get(stated.relation, (None, None))
    for slot in range(_SLOTS):
        if slot >= len(stated.things):
            found += [len(names) for names in _OF_THING]
            continue
        thing = stated.things[slot]
        place = facing[slot] if slot < 2 and stated.relation else thing.place
        values = (thing.shape, thing.color, thing.size, place)
        found += [_code(names, value) for names, value in zip(_OF_THING, values, strict=True)]
    ground = stated.background
    values = (ground.color, ground.pattern, ground.accent) if ground else (None, None, None)
    return found + [_code(names, value) for names, value in zip(_OF_GROUND, values, strict=True)]


class Reading(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.sizes = [len(names) + 1 for names in (*(_OF_THING * _SLOTS), *_OF_GROUND)]
        self.at_end = nn.Linear(channels, sum(self.sizes))
        self.at_noun = nn.Linear(channels, sum(self.sizes[:3]))

    def forward(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        return self.at_end(hidden), self.at_noun(hidden)


class Lessons:
    """Captions of random scenes of the training split, with what they say."""

    def __init__(self, tokenizer_folder: Path, mix: Mix):
        self.tokenizer = bpe.load(tokenizer_folder)
        self.mix = mix
        self.nouns = {ids[0]: kind for kind in _KINDS if len(ids := self._ids(kind)) == 1}

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def __call__(self, count: int, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """ids, mask (B, T); codes of all (B, 15); codes at nouns (B, T, 3)."""
        rng = random.Random(seed)
        rows = []
        for _ in range(count):
            one = caption(sample_scene(rng, self.mix), rng)
            ids, mask = bpe.encode(self.tokenizer, one.text, TEXT_LENGTH)
            said = codes(one.stated)
            nouns = [[_IGNORED] * 3 for _ in ids]
            places = [place for place, token in enumerate(ids) if token in self.nouns]
            for slot, place in enumerate(places[:_SLOTS]):
                nouns[place] = said[4 * slot : 4 * slot + 3]
            rows.append((ids, mask, said, nouns))
        ids, mask, said, nouns = (torch.tensor(part) for part in zip(*rows, strict=True))
        return ids, mask, said, nouns


def train_text(
    folder: Path,
    mix: Mix,
    device: torch.device,
    seed: int = 5,
    steps: int = 2_000,
    until: float = math.inf,
    report: Callable[[], None] | None = None,
    compile: bool = False,
) -> bool:
    torch.manual_seed(seed)
    config = CONFIGS.prior_text_encoder
    modules = nn.ModuleDict(
        {"text": make_text_encoder(config, folder / "tokenizer"), "reading": Reading(config["hidden_size"])}
    )
    trainer = Trainer("text", folder, modules, Plan(steps, 1e-3, warmup=200, ema_decay=0.995), seed, device)
    if trainer.finished():
        return True
    lessons = Lessons(folder / "tokenizer", mix)
    read = compiled(lambda ids, mask: torch.cat(modules["reading"](modules["text"].encode(ids, mask)), -1), compile)
    sizes = modules["reading"].sizes

    def loss(step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        ids, mask, said, nouns = (part.to(device) for part in lessons(BATCH, seed * 7_000_003 + step))
        heads = read(ids, mask).float()
        end = heads[torch.arange(BATCH), mask.sum(1) - 1, : sum(sizes)].split(sizes, dim=-1)
        value = sum(F.cross_entropy(one, said[:, index]) for index, one in enumerate(end))
        noun = heads[..., sum(sizes) :].split(sizes[:3], dim=-1)
        value = value + sum(
            F.cross_entropy(one.flatten(0, 1), nouns[..., index].flatten(), ignore_index=_IGNORED)
            for index, one in enumerate(noun)
        )
        right = torch.stack([one.argmax(-1) == said[:, index] for index, one in enumerate(end)])
        return value, {"right": right.all(0).float().mean().item()}

    return trainer.run(loss, until, report)
