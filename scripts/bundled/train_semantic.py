"""The semantic encoder: learns to say what is where. The real model's EfficientNet was trained on labels as well.

Labels decide what an embedding is about: everything a caption can say is read off it, place by place, by one small
head, through noise. So the embeddings of two shapes lie as far apart as those of two colours, a decoder finds them at
once, and small mistakes of Stage C do not matter. A second head rebuilds the picture, for all that has no label; it is
released as the previewer.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..networks import Previewer
from .configs import CONFIGS, SEMANTIC_CHANNELS, SEMANTIC_GRID
from .dataset import Drawings
from .draw import Placed
from .scene import COLORS, DRAWN_THINGS, PATTERNS, SHAPES, Scene
from .semantic_encoder import SemanticEncoder
from .training import Plan, Trainer, compiled, trained

BATCH = 64
NOISE = 0.35  # of the embeddings' deviation of at most one
_KINDS = (*SHAPES, *DRAWN_THINGS)
_NOTHING = 255
_REACH = 1.25  # in radii and half a cell: a thing is told to the cells around it as well


@dataclass(frozen=True)
class Labels:
    """What is to be read off each cell (count, 6, 6): of the thing there, and where it is from there; and of the
    background (count,)."""

    kind: np.ndarray
    color: np.ndarray
    offset: np.ndarray  # (count, 3, 6, 6) float16: to the thing's centre, x and y, in cells; its radius, likewise
    ground: np.ndarray
    pattern: np.ndarray
    accent: np.ndarray


def covered(things: list[Placed]) -> list[tuple[Placed, np.ndarray]]:
    """For each thing the cells (6, 6) that are told of it: its own and those around it, unless another is nearer."""
    cells = (np.arange(SEMANTIC_GRID) + 0.5) / SEMANTIC_GRID
    distances = [
        np.maximum(np.abs(one.x - cells)[None, :], np.abs(one.y - cells)[:, None]) - one.radius * _REACH
        for one in things
    ]
    nearest = np.argmin(distances, axis=0)
    reach = 0.5 / SEMANTIC_GRID
    return [(one, (distances[at] < reach) & (nearest == at)) for at, one in enumerate(things)]


def _label_things(drawings: Drawings, index: int, labels: Labels) -> None:
    cells = (np.arange(SEMANTIC_GRID) + 0.5) / SEMANTIC_GRID
    for placed, here in covered(drawings.placed(index)):
        x, y = (placed.x - cells)[None, :], (placed.y - cells)[:, None]
        labels.kind[index][here] = _KINDS.index(placed.thing.shape)
        labels.color[index][here] = COLORS.index(placed.thing.color)
        for row, value in enumerate((x, y, placed.radius)):
            labels.offset[index, row][here] = np.broadcast_to(value, here.shape)[here] * SEMANTIC_GRID


def make_labels(drawings: Drawings, scenes: list[Scene]) -> Labels:
    count, grid = drawings.count, (SEMANTIC_GRID, SEMANTIC_GRID)
    labels = Labels(
        kind=np.full((count, *grid), _NOTHING, np.uint8),
        color=np.full((count, *grid), _NOTHING, np.uint8),
        offset=np.zeros((count, 3, *grid), np.float16),
        ground=np.array([COLORS.index(scene.background.color) for scene in scenes], np.uint8),
        pattern=np.array([PATTERNS.index(scene.background.pattern) for scene in scenes], np.uint8),
        accent=np.array(
            [COLORS.index(scene.background.accent) if scene.background.accent else _NOTHING for scene in scenes],
            np.uint8,
        ),
    )
    for index in range(count):
        _label_things(drawings, index, labels)
    return labels


class Reader(nn.Module):
    """Reads labels off embeddings: linear but for one look at the neighbours."""

    SIZES = (len(_KINDS) + 1, len(COLORS), 3, len(COLORS), len(PATTERNS), len(COLORS))

    def __init__(self):
        super().__init__()
        self.near = nn.Conv2d(SEMANTIC_CHANNELS, sum(self.SIZES), 3, padding=1)
        self.here = nn.Conv2d(SEMANTIC_CHANNELS, sum(self.SIZES), 1)

    def forward(self, image: Tensor) -> list[Tensor]:
        return list((self.near(image) + self.here(image)).split(self.SIZES, dim=1))


def reading_loss(read: list[Tensor], wanted: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """The loss, and the share of the things' cells whose kind was read right."""
    kind, color, offset, ground, pattern, accent = (part.float() for part in read)
    there = wanted["kind"] != _NOTHING
    kinds = torch.where(there, wanted["kind"], len(_KINDS))
    cells = torch.ones_like(wanted["kind"])
    of_kind = F.cross_entropy(kind, kinds, reduction="none")
    # As many cells are empty as are not, roughly; what is there matters more.
    value = (of_kind * torch.where(there, 2.0, 0.5)).mean()
    value = value + 2 * F.cross_entropy(color, torch.where(there, wanted["color"], -100), ignore_index=-100) / 2
    value = value + 0.5 * ((offset - wanted["offset"]).square().mean(1) * there).sum() / there.sum()
    value = value + 0.7 * F.cross_entropy(ground, wanted["ground"][:, None, None] * cells)
    value = value + 0.4 * F.cross_entropy(pattern, wanted["pattern"][:, None, None] * cells)
    patterned = (wanted["accent"] != _NOTHING)[:, None, None] & (cells > 0)
    accents = torch.where(patterned, wanted["accent"][:, None, None] * cells, -100)
    value = value + 0.2 * F.cross_entropy(accent, accents, ignore_index=-100, reduction="sum") / cells.numel() * 4
    right = ((kind.argmax(1) == kinds) & there).sum() / there.sum()
    return value, right


def train_semantic(
    folder: Path,
    reduced: np.ndarray,
    drawings: Drawings,
    scenes: list[Scene],
    device: torch.device,
    seed: int = 4,
    steps: int = 4_000,
    until: float = math.inf,
    report: Callable[[], None] | None = None,
    compile: bool = False,
) -> bool:
    torch.manual_seed(seed)
    modules = nn.ModuleDict(
        {"encoder": SemanticEncoder(), "reader": Reader(), "rebuilder": Previewer(**CONFIGS.previewer)}
    )
    trainer = Trainer("semantic", folder, modules, Plan(steps, 2e-3, warmup=200, ema_decay=0.995), seed, device)
    if trainer.finished():
        return True
    labels = make_labels(drawings, scenes)

    def look(pixels: Tensor, noise: Tensor) -> tuple[Tensor, ...]:
        image = modules["encoder"](pixels)
        heard = image + NOISE * noise
        return (*modules["reader"](heard), modules["rebuilder"](heard), image)

    look = compiled(look, compile)

    def loss(step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        chosen = np.sort(torch.randint(len(reduced), (BATCH,), generator=generator).numpy())
        pixels = torch.from_numpy(reduced[chosen]).to(device).permute(0, 3, 1, 2).float() / 255
        noise = torch.randn(BATCH, SEMANTIC_CHANNELS, SEMANTIC_GRID, SEMANTIC_GRID, generator=generator).to(device)
        wanted = {
            name: torch.from_numpy(getattr(labels, name)[chosen]).to(device).long()
            for name in ("kind", "color", "ground", "pattern", "accent")
        }
        wanted["offset"] = torch.from_numpy(labels.offset[chosen]).to(device).float()
        *read, rebuilt, image = look(pixels, noise)
        reading, right = reading_loss(read, wanted)
        small = F.avg_pool2d(pixels, 2)
        rebuilding = (rebuilt.float() - small).abs().mean() + 4 * (rebuilt.float() - small).square().mean()
        parts = {
            "kinds": right.item(),
            "levels": 255 * (rebuilt.float() - small).abs().mean().item(),
            "scale": image.float().std().item(),
        }
        return reading + 4 * rebuilding, parts

    return trainer.run(loss, until, report)


def load_encoder(folder: Path, device: torch.device) -> SemanticEncoder:
    """The trained encoder: the running average of its weights."""
    encoder = SemanticEncoder().to(device)
    encoder.load_state_dict(trained(folder / "semantic.pt", "encoder"))
    return encoder.eval()
