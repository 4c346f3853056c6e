"""What a picture contains, without pixels: the grammar the bundled model learns to speak."""

from __future__ import annotations

import random
import zlib
from dataclasses import dataclass
from functools import cache

# Well separated in Lab (see the tests): the judge must name each colour after a lossy decoder.
PALETTE: dict[str, tuple[int, int, int]] = {
    "red": (214, 32, 36),
    "green": (34, 158, 64),
    "blue": (32, 84, 216),
    "yellow": (252, 220, 44),
    "orange": (246, 132, 20),
    "purple": (126, 44, 172),
    "pink": (255, 156, 200),
    "black": (18, 18, 22),
    "white": (250, 250, 250),
    "grey": (138, 140, 144),
}
COLORS = tuple(PALETTE)
SHAPES = ("circle", "square", "triangle", "star", "heart", "diamond", "ring", "cross")
DRAWN_THINGS = ("house", "tree", "sun", "fish", "flower", "cat")
SIZES = ("small", "large")
PLACES = ("center", "left", "right", "top", "bottom")
PATTERNS = ("plain", "striped", "dotted")
RELATIONS = ("left of", "right of", "above", "below")

# With two objects they face each other across the frame: the only pairs whose relation nobody can dispute.
FACING = {
    "left of": ("left", "right"),
    "right of": ("right", "left"),
    "above": ("top", "bottom"),
    "below": ("bottom", "top"),
}
_HELD_OUT_ONE_IN = 20


@dataclass(frozen=True)
class Background:
    """A colour, and a pattern in a second colour (`accent`) unless the pattern is plain."""

    color: str
    pattern: str = "plain"
    accent: str | None = None

    @property
    def colors(self) -> frozenset[str]:
        return frozenset({self.color} if self.accent is None else {self.color, self.accent})


@dataclass(frozen=True)
class Thing:
    shape: str
    color: str
    size: str
    place: str


@dataclass(frozen=True)
class Scene:
    """`relation` is that of the first thing to the second, and only two things have one."""

    background: Background
    things: tuple[Thing, ...]
    relation: str | None = None


@dataclass(frozen=True)
class Mix:
    """How often each kind of scene is drawn, so that training can choose its curriculum.

    `counts` and `patterns` are weights (one, two, three objects; plain, striped, dotted);
    the rest are probabilities.
    """

    counts: tuple[float, float, float] = (0.55, 0.33, 0.12)
    patterns: tuple[float, float, float] = (0.7, 0.15, 0.15)
    drawn_things: float = 0.45
    large: float = 0.5
    center: float = 0.32

    @classmethod
    def simple(cls) -> Mix:
        """The first lesson: mostly one object, always on a plain background."""
        return cls(counts=(0.85, 0.15, 0.0), patterns=(1.0, 0.0, 0.0))


@cache
def _combination_held_out(background: str, shape: str, color: str) -> bool:
    # crc32 rather than hash(): the split must be the same in every process.
    return zlib.crc32(f"{color} {shape} on {background}".encode()) % _HELD_OUT_ONE_IN == 0


def is_held_out(scene: Scene) -> bool:
    """Whether a thing's (background colour, shape, colour) is one of the ~5% that training never sees."""
    return any(_combination_held_out(scene.background.color, thing.shape, thing.color) for thing in scene.things)


def _sample_background(rng: random.Random, mix: Mix) -> Background:
    color = rng.choice(COLORS)
    pattern = rng.choices(PATTERNS, mix.patterns)[0]
    if pattern == "plain":
        return Background(color)
    return Background(color, pattern, rng.choice([other for other in COLORS if other != color]))


def _sample_thing(rng: random.Random, mix: Mix, background: Background, place: str, large: float) -> Thing:
    shape = rng.choice(DRAWN_THINGS if rng.random() < mix.drawn_things else SHAPES)
    color = rng.choice([color for color in COLORS if color not in background.colors])
    return Thing(shape, color, "large" if rng.random() < large else "small", place)


def _sample_any(rng: random.Random, mix: Mix) -> Scene:
    background = _sample_background(rng, mix)
    count = rng.choices((1, 2, 3), mix.counts)[0]
    relation = None
    large = mix.large
    if count == 1:
        places = ("center",) if rng.random() < mix.center else (rng.choice(PLACES[1:]),)
    elif count == 2:
        relation = rng.choice(RELATIONS)
        places = FACING[relation]
    else:
        places = tuple(rng.sample(PLACES, 3))
        large = 0.0  # three objects only fit when all of them are small
    things = tuple(_sample_thing(rng, mix, background, place, large) for place in places)
    return Scene(background, things, relation)


def sample_scene(rng: random.Random, mix: Mix, held_out: bool | None = False) -> Scene:
    """A random scene of the training split (`False`), of the held-out one (`True`) or of either (`None`)."""
    while True:
        scene = _sample_any(rng, mix)
        if held_out is None or is_held_out(scene) == held_out:
            return scene
