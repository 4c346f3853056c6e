"""Draws a scene: flat silhouettes with a few small details, antialiased, on a plain or patterned background."""

from __future__ import annotations

import argparse
import math
import random
import textwrap
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from .scene import PALETTE, Background, Mix, Scene, Thing, sample_scene
from .shapes import Layer, layers_of

SUPERSAMPLE = 4
# Fractions of the frame. Radii are half the longer side of a thing; margins are such that jitter never
# makes two things touch each other or the frame (the tests try).
RADIUS = {"small": 0.13, "large": 0.21}
OUTER_CENTER = {"small": 0.19, "large": 0.26}  # distance of a left or top thing's centre from the frame
_SCALE_JITTER = 0.03
_POSITION_JITTER = {1: 0.02, 2: 0.012, 3: 0.010}  # by number of things: a lone one may stray further
STRIPES = 8
DOTS = 8
_DOT_RADIUS = 0.024


@dataclass(frozen=True)
class Placed:
    """Where a thing ended up, in fractions of the frame."""

    thing: Thing
    x: float
    y: float
    radius: float


def place_things(scene: Scene, rng: random.Random | None) -> list[Placed]:
    """Centres and radii, jittered when there is an rng."""
    reach = _POSITION_JITTER[len(scene.things)]

    def jitter(amount: float) -> float:
        return rng.uniform(-amount, amount) if rng else 0.0

    placed = []
    for thing in scene.things:
        outer = OUTER_CENTER[thing.size]
        x = {"left": outer, "right": 1 - outer}.get(thing.place, 0.5) + jitter(reach)
        y = {"top": outer, "bottom": 1 - outer}.get(thing.place, 0.5) + jitter(reach)
        placed.append(Placed(thing, x, y, RADIUS[thing.size] * (1 + jitter(_SCALE_JITTER))))
    return placed


def tone_color(color: str, tone: str) -> tuple[int, int, int]:
    """The RGB of a layer: the thing's own colour, a shade of it, or an eye-like contrast to it."""
    rgb = PALETTE[color]
    if tone == "body":
        return rgb
    if tone == "shade":  # black has no darker shade
        return (84, 84, 92) if color == "black" else tuple(round(0.66 * channel) for channel in rgb)
    dark_body = color in ("black", "blue", "purple", "red", "green")
    return (255, 255, 250) if dark_body else (24, 22, 28)


def _outline(points: tuple[tuple[float, float], ...], x: float, y: float, radius: float) -> list[tuple[float, float]]:
    return [(x + px * radius, y + py * radius) for px, py in points]


def _paint_layer(pen: ImageDraw.ImageDraw, layer: Layer, x: float, y: float, radius: float) -> None:
    fill = 0 if layer.cut else 255
    points = _outline(layer.points, x, y, radius)
    if layer.kind == "ellipse":
        pen.ellipse([points[0], points[1]], fill=fill)
    else:
        pen.polygon(points, fill=fill)


def coverage(shape: str, x: float, y: float, radius: float, side: int) -> list[tuple[str, Image.Image]]:
    """Antialiased masks of `side` pixels, one per tone, painted in order; x, y, radius in pixels."""
    masks = []
    for tone, layers in layers_of(shape):
        mask = Image.new("L", (side * SUPERSAMPLE, side * SUPERSAMPLE), 0)
        pen = ImageDraw.Draw(mask)
        for layer in layers:
            # Pillow's coordinates name pixel centres, hence the half.
            _paint_layer(pen, layer, x * SUPERSAMPLE - 0.5, y * SUPERSAMPLE - 0.5, radius * SUPERSAMPLE)
        masks.append((tone, mask.reduce(SUPERSAMPLE)))
    return masks


@lru_cache(maxsize=64)
def _pattern_mask(pattern: str, size: int, phase: int) -> Image.Image:
    big = size * SUPERSAMPLE
    mask = Image.new("L", (big, big), 0)
    pen = ImageDraw.Draw(mask)
    if pattern == "striped":
        period = big / STRIPES
        for index in range(-1, STRIPES + 1):
            left = (index + phase / 4) * period
            pen.rectangle([left, 0, left + 0.42 * period, big], fill=255)
    else:
        period, radius = big / DOTS, _DOT_RADIUS * big
        for row in range(DOTS + 1):
            for column in range(DOTS + 1):
                # Dots of odd rows sit between those of even rows.
                x, y = (column + 0.5 * (row % 2)) * period, (row + phase / 8) * period
                pen.ellipse([x - radius, y - radius, x + radius, y + radius], fill=255)
    return mask.reduce(SUPERSAMPLE)


def arrange(scene: Scene, rng: random.Random | None) -> tuple[int, list[Placed]]:
    """All that chance decides of a picture: the phase of the background's pattern, and where the things are."""
    phase = rng.randrange(4) if rng and scene.background.accent is not None else 0
    return phase, place_things(scene, rng)


def _draw_background(background: Background, size: int, phase: int) -> Image.Image:
    picture = Image.new("RGB", (size, size), PALETTE[background.color])
    if background.accent is not None:
        picture.paste(PALETTE[background.accent], (0, 0), _pattern_mask(background.pattern, size, phase))
    return picture


def _draw_thing(picture: Image.Image, placed: Placed) -> None:
    size = picture.width
    x, y, radius = placed.x * size, placed.y * size, placed.radius * size
    # Only the thing's own square is supersampled: that is what makes a picture cost about a millisecond.
    left, top = math.floor(x - radius) - 1, math.floor(y - radius) - 1
    side = math.ceil(2 * radius) + 4
    for tone, mask in coverage(placed.thing.shape, x - left, y - top, radius, side):
        picture.paste(tone_color(placed.thing.color, tone), (left, top), mask)


def draw(scene: Scene, size: int = 256, rng: random.Random | None = None) -> np.ndarray:
    """The picture as uint8 [size, size, 3]; without an rng nothing is jittered."""
    phase, things = arrange(scene, rng)
    picture = _draw_background(scene.background, size, phase)
    for placed in things:
        _draw_thing(picture, placed)
    return np.array(picture)


def contact_sheet(pictures: list[np.ndarray], captions: list[str], columns: int = 8) -> Image.Image:
    """Pictures in rows, each with its caption underneath."""
    size, line = pictures[0].shape[0], 13
    caption_height = 4 * line
    rows = math.ceil(len(pictures) / columns)
    sheet = Image.new("RGB", (columns * (size + 8), rows * (size + 8 + caption_height)), (255, 255, 255))
    pen = ImageDraw.Draw(sheet)
    per_line = size // 6
    for index, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        x, y = (index % columns) * (size + 8) + 4, (index // columns) * (size + 8 + caption_height) + 4
        sheet.paste(Image.fromarray(picture), (x, y))
        for row, words in enumerate(textwrap.wrap(caption, per_line)[:4]):
            pen.text((x, y + size + row * line), words, fill=(0, 0, 0))
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw a contact sheet of random scenes with their captions.")
    parser.add_argument("--seed", type=int, default=0, help="seed of the scenes")
    parser.add_argument("--count", type=int, default=64, help="how many pictures")
    parser.add_argument("--size", type=int, default=256, help="side of each picture in pixels")
    parser.add_argument("--simple", action="store_true", help="draw the first lesson's scenes only")
    parser.add_argument("--out", type=Path, required=True, help="the PNG to write")
    options = parser.parse_args()
    from .captions import GRAMMAR, caption

    rng = random.Random(options.seed)
    mix = Mix.simple() if options.simple else Mix()
    scenes = [sample_scene(rng, mix) for _ in range(options.count)]
    pictures = [draw(scene, options.size, rng) for scene in scenes]
    contact_sheet(pictures, [caption(scene, rng, GRAMMAR).text for scene in scenes]).save(options.out)


if __name__ == "__main__":
    main()
