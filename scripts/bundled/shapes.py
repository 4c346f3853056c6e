"""The outlines of everything that can be drawn, on the square from -1 to 1 (x to the right, y down).

Every outline reaches -1 and 1 along its longer side and is centred, so that "large" means the same for a
fish and for a circle, and so that the judge can compare masks after cropping to the bounding box.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache

Point = tuple[float, float]


@dataclass(frozen=True)
class Layer:
    """One filled outline; `cut` removes from the layers below it instead of adding."""

    tone: str  # body: the thing's colour; shade: a darker one; contrast: as far from the body as an eye
    kind: str  # ellipse: its two corners; polygon: its points
    points: tuple[Point, ...]
    cut: bool = False


def _polygon(*points: Point, tone: str = "body") -> Layer:
    return Layer(tone, "polygon", points)


def _ellipse(x: float, y: float, rx: float, ry: float | None = None, tone: str = "body", cut: bool = False) -> Layer:
    ry = rx if ry is None else ry
    return Layer(tone, "ellipse", ((x - rx, y - ry), (x + rx, y + ry)), cut)


def _box(left: float, top: float, right: float, bottom: float, tone: str = "body") -> Layer:
    return _polygon((left, top), (right, top), (right, bottom), (left, bottom), tone=tone)


def _spikes(count: int, outer: float, inner: float) -> Layer:
    """A star polygon with one spike straight up."""
    points = []
    for index in range(2 * count):
        angle, radius = math.pi * index / count, inner if index % 2 else outer
        points.append((radius * math.sin(angle), -radius * math.cos(angle)))
    return _polygon(*points)


def _around(count: int, distance: float, radius: float) -> list[Layer]:
    """Circles around the middle, the first one straight up."""
    angles = [2 * math.pi * index / count for index in range(count)]
    return [_ellipse(distance * math.sin(angle), -distance * math.cos(angle), radius) for angle in angles]


def _heart() -> Layer:
    points = []
    for step in range(72):
        t = 2 * math.pi * step / 72
        x = 16 * math.sin(t) ** 3
        y = 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
        points.append((x, -y))
    return _polygon(*points)


def _stroke(points: list[Point], width: float) -> list[Layer]:
    """A thick line with round joints."""
    return [_ellipse(x, y, width / 2) for x, y in points]


def _cat() -> list[Layer]:
    tail = [(0.40 + 0.42 * math.sin(t / 40 * 2.7), 0.88 - 0.95 * t / 40) for t in range(41)]
    return [
        *_stroke(tail, 0.17),
        _ellipse(-0.05, 0.42, 0.53, 0.56),
        _ellipse(0.0, 0.79, 0.53, 0.20),
        _ellipse(-0.10, -0.38, 0.46, 0.38),
        _polygon((-0.55, -0.42), (-0.54, -1.0), (-0.14, -0.68)),
        _polygon((0.35, -0.42), (0.34, -1.0), (-0.06, -0.68)),
        _ellipse(-0.28, -0.40, 0.075, 0.10, tone="contrast"),
        _ellipse(0.08, -0.40, 0.075, 0.10, tone="contrast"),
    ]


_RAW: dict[str, list[Layer]] = {
    "circle": [_ellipse(0, 0, 1)],
    "square": [_box(-1, -1, 1, 1)],
    "triangle": [_polygon((0, -1), (1, 0.8), (-1, 0.8))],
    "star": [_spikes(5, 1, 0.42)],
    "heart": [_heart()],
    "diamond": [_polygon((0, -1), (0.68, 0), (0, 1), (-0.68, 0))],
    "ring": [_ellipse(0, 0, 1), _ellipse(0, 0, 0.52, cut=True)],
    "cross": [_box(-0.36, -1, 0.36, 1), _box(-1, -0.36, 1, 0.36)],
    "house": [
        _polygon((0, -1), (1, -0.12), (-1, -0.12)),
        _box(-0.78, -0.14, 0.78, 0.95),
        _box(-0.02, 0.30, 0.42, 0.96, tone="shade"),
        _box(-0.54, 0.14, -0.20, 0.48, tone="contrast"),
    ],
    "tree": [
        _ellipse(0, -0.48, 0.52),
        _ellipse(-0.40, -0.02, 0.46),
        _ellipse(0.40, -0.02, 0.46),
        _ellipse(0, 0.0, 0.48),
        _polygon((-0.13, 0.40), (0.13, 0.40), (0.22, 1.0), (-0.22, 1.0), tone="shade"),
    ],
    "sun": [
        _spikes(10, 1, 0.60),
        _ellipse(0, 0, 0.64),
        _ellipse(-0.22, -0.12, 0.085, 0.11, tone="contrast"),
        _ellipse(0.22, -0.12, 0.085, 0.11, tone="contrast"),
        _polygon(
            *[(0.30 * math.cos(t / 8 * math.pi), 0.14 + 0.22 * math.sin(t / 8 * math.pi)) for t in range(9)],
            *[(0.30 * math.cos(t / 8 * math.pi), 0.14 + 0.09 * math.sin(t / 8 * math.pi)) for t in range(8, -1, -1)],
            tone="contrast",
        ),
    ],
    "fish": [
        _ellipse(-0.22, 0, 0.78, 0.50),
        _polygon((0.36, 0.0), (1.0, -0.52), (0.86, 0.0), (1.0, 0.52)),
        _polygon((-0.42, -0.42), (0.12, -0.74), (0.18, -0.36)),
        _ellipse(-0.62, -0.10, 0.10, tone="contrast"),
    ],
    "flower": [
        *_around(6, 0.60, 0.36),
        _ellipse(0, 0, 0.5),
        _ellipse(0, 0, 0.28, tone="contrast"),
    ],
    "cat": _cat(),
}


def _fit(layers: list[Layer]) -> list[Layer]:
    """Centres the outlines and scales their longer side to the square."""
    points = [point for layer in layers for point in layer.points]
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    top, bottom = min(y for _, y in points), max(y for _, y in points)
    x, y, half = (left + right) / 2, (top + bottom) / 2, max(right - left, bottom - top) / 2
    return [
        replace(layer, points=tuple(((px - x) / half, (py - y) / half) for px, py in layer.points)) for layer in layers
    ]


@cache
def layers_of(shape: str) -> tuple[tuple[str, tuple[Layer, ...]], ...]:
    """The outlines of a shape by tone, in painting order."""
    layers = _fit(_RAW[shape])
    tones = dict.fromkeys(layer.tone for layer in layers)
    return tuple((tone, tuple(layer for layer in layers if layer.tone == tone)) for tone in tones)
