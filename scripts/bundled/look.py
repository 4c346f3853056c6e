"""Sees what a picture contains, by rules alone: the judge's eyes. A network would share our model's mistakes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageFilter
from scipy import ndimage

from .draw import OUTER_CENTER, RADIUS, coverage
from .scene import COLORS, DRAWN_THINGS, PALETTE, SHAPES

_SIDE = 256  # every picture is examined at this size, so the pixel counts below mean the same for all
_MIN_AREA = 260  # the smallest drawn thing, a small star, covers about 1,200 pixels
_MAX_DETAIL_HOLE = 0.12  # of the bounding box: a flower's centre is 0.06, a ring's hole 0.21
_SPLIT_SHARE = 0.4  # two colours that touch are two things when the lesser has this share of the greater
_ACCENT_MIN_DOTS = 12
_MIN_DOT_AREA = 25
_TEMPLATE_SIDE = 56
_TEMPLATE_SPREAD = 13.0  # pixels of root-mean-square radius after normalising
_ROUNDED = 5  # pixels of a template whose longer side is 108: tips narrower than twice that
_LEAST_MATCH = 0.7  # below this overlap a blob is like none of our shapes
_PLACE_REACH = 0.2
_OUTER = (OUTER_CENTER["small"] + OUTER_CENTER["large"]) / 2
_ANCHORS = {
    "center": (0.5, 0.5),
    "left": (_OUTER, 0.5),
    "right": (1 - _OUTER, 0.5),
    "top": (0.5, _OUTER),
    "bottom": (0.5, 1 - _OUTER),
}


@dataclass(frozen=True)
class SeenThing:
    """`shape` or `place` is None where the blob resembles none of ours or stands between two places."""

    shape: str | None
    color: str
    size: str
    place: str | None
    x: float  # centre of the bounding box, in fractions of the frame
    y: float
    area: int
    match: float  # overlap with the best template, 0 to 1


@dataclass(frozen=True)
class Seen:
    background: str
    pattern: str
    accent: str | None
    things: tuple[SeenThing, ...]  # the largest first


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE Lab (D65) of sRGB in 0..255, on the last axis."""
    value = rgb / 255.0
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    xyz = linear @ np.array([[0.4124, 0.2126, 0.0193], [0.3576, 0.7152, 0.1192], [0.1805, 0.0722, 0.9505]])
    xyz /= np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


@cache
def _nearest_color() -> np.ndarray:
    """Index of the nearest palette colour for every RGB with six bits a channel: [64, 64, 64]."""
    steps = np.arange(64) * 4.0 + 2.0
    grid = lab(np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1))
    palette = lab(np.array([PALETTE[color] for color in COLORS], dtype=np.float64))
    distances = np.stack([((grid - color) ** 2).sum(-1) for color in palette])
    return distances.argmin(0).astype(np.uint8)


def _color_labels(pixels: np.ndarray) -> np.ndarray:
    """Palette index per pixel, [256, 256]; the median takes away noise and leaves edges sharp."""
    picture = Image.fromarray(pixels)
    if picture.size != (_SIDE, _SIDE):
        picture = picture.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
    quantised = np.asarray(picture.filter(ImageFilter.MedianFilter(5))) >> 2
    return _nearest_color()[quantised[..., 0], quantised[..., 1], quantised[..., 2]]


def _disk(radius: int) -> np.ndarray:
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return x * x + y * y <= radius * radius + 1


def _most_common(labels: np.ndarray) -> int:
    return int(np.bincount(labels.ravel(), minlength=len(COLORS)).argmax())


def _stripe_share(mask: np.ndarray) -> float:
    """How much of the top and of the bottom edge a colour takes, whichever is less: things reach neither."""
    return float(min(mask[2:8].mean(), mask[-8:-2].mean()))


def _dot_areas(mask: np.ndarray) -> np.ndarray:
    """Areas of a colour's dot-like patches, without the rims where two colours blend."""
    patches, count = ndimage.label(ndimage.binary_opening(mask, _disk(2)))
    areas = np.bincount(patches.ravel(), minlength=count + 1)[1:]
    return areas[(areas > _MIN_DOT_AREA) & (areas < _MIN_AREA)]


def _see_background(labels: np.ndarray) -> tuple[int, str, int | None]:
    """Main colour, pattern and accent. Things never touch the frame, so its edge is background."""
    edge = np.concatenate([labels[:6].ravel(), labels[-6:].ravel(), labels[:, :6].ravel(), labels[:, -6:].ravel()])
    main = _most_common(np.concatenate([labels[:6].ravel(), labels[-6:].ravel()]))
    frequent = np.flatnonzero(np.bincount(labels.ravel()) >= _ACCENT_MIN_DOTS * _MIN_DOT_AREA)
    candidates = [int(color) for color in frequent if color != main]
    stripes = {color: _stripe_share(labels == color) for color in candidates}
    accent = max(stripes, key=stripes.get, default=None)
    if accent is not None and stripes[accent] > 0.25:
        return main, "striped", accent
    main = _most_common(edge)
    dots = {color: _dot_areas(labels == color) for color in candidates if color != main}
    dots = {color: areas for color, areas in dots.items() if len(areas) >= _ACCENT_MIN_DOTS}
    if dots:
        return main, "dotted", max(dots, key=lambda color: dots[color].sum())
    return main, "plain", None


def _fill_details(mask: np.ndarray) -> np.ndarray:
    """Fills eyes and windows, which may have the background's colour, but not the hole of a ring."""
    rows, columns = ndimage.find_objects(mask.astype(np.uint8))[0]
    box_area = (rows.stop - rows.start) * (columns.stop - columns.start)
    holes, count = ndimage.label(ndimage.binary_fill_holes(mask) & ~mask)
    areas = np.bincount(holes.ravel(), minlength=count + 1)
    small = areas < _MAX_DETAIL_HOLE * box_area
    small[0] = False
    return mask | small[holes]


def _split_by_color(blob: np.ndarray, labels: np.ndarray) -> list[np.ndarray]:
    """Two things that touch are one blob: part them when each has a good share of it."""
    # Opened first, because the rim where two colours blend often has the name of a third.
    frequent = np.flatnonzero(np.bincount(labels[blob]) >= _MIN_AREA)
    parts = [ndimage.binary_opening(blob & (labels == color), _disk(2)) for color in frequent]
    areas = [int(part.sum()) for part in parts]
    enough = max(_MIN_AREA, _SPLIT_SHARE * max(areas, default=0))
    large = [part for part, area in zip(parts, areas, strict=True) if area >= enough]
    return large if len(large) > 1 else [blob]


def _drop_details(blobs: list[np.ndarray]) -> list[np.ndarray]:
    """Details filled, and no longer things of their own: a white window in a purple house is an island on a pink
    background, because its rim blends to pink."""
    kept: list[np.ndarray] = []
    for blob in sorted(blobs, key=np.sum, reverse=True):
        if not any((blob & larger).sum() > 0.5 * blob.sum() for larger in kept):
            kept.append(_fill_details(blob))
    return kept


def _blobs(labels: np.ndarray, background: set[int]) -> list[np.ndarray]:
    """Masks of what is not background, one per thing, the largest first, without specks and blended rims."""
    foreground = ~np.isin(labels, list(background))
    radius = 2 if len(background) > 1 else 1
    core = ndimage.binary_opening(foreground, _disk(radius))
    patches, count = ndimage.label(ndimage.binary_dilation(core, _disk(1)) & foreground, np.ones((3, 3)))
    areas = np.bincount(patches.ravel(), minlength=count + 1)
    blobs = [patches == index for index in range(1, count + 1) if areas[index] >= _MIN_AREA]
    return _drop_details([part for blob in blobs for part in _split_by_color(blob, labels)])


def _normalise(mask: np.ndarray) -> np.ndarray:
    """The mask with its centroid in the middle and a fixed spread, float [side, side]: unlike a bounding box,
    neither hangs on the thin tips that a decoder rounds off first."""
    weights = mask.astype(np.float32)
    total = weights.sum()
    rows, columns = np.indices(mask.shape)
    y, x = (weights * rows).sum() / total, (weights * columns).sum() / total
    spread = np.sqrt((weights * ((rows - y) ** 2 + (columns - x) ** 2)).sum() / total)
    step, half = spread / _TEMPLATE_SPREAD, (_TEMPLATE_SIDE - 1) / 2
    offset = (y - half * step, x - half * step)
    smooth = ndimage.gaussian_filter(weights, 0.5 * step) if step > 1 else weights
    return ndimage.affine_transform(smooth, (step, step), offset, (_TEMPLATE_SIDE, _TEMPLATE_SIDE), order=1)


@cache
def _templates() -> tuple[tuple[str, ...], np.ndarray]:
    """Every shape as drawn, whole and without its shaded parts (a trunk may vanish into the background), both also with
    their tips rounded off: a sun with short rays is no circle."""
    names, masks = [], []
    for shape in (*SHAPES, *DRAWN_THINGS):
        tones = {tone: np.asarray(mask, np.float32) / 255 for tone, mask in coverage(shape, 64, 64, 54, 128)}
        whole = np.max(list(tones.values()), axis=0)
        variants = [whole]
        if "shade" in tones:
            variants.append(whole * (1 - tones["shade"]))
        variants += [ndimage.grey_opening(variant, footprint=_disk(_ROUNDED)) for variant in variants]
        names += [shape] * len(variants)
        masks += [_normalise(variant) for variant in variants]
    return tuple(names), np.stack(masks)


def _name_shape(mask: np.ndarray) -> tuple[str | None, float]:
    rows, columns = ndimage.find_objects(mask.astype(np.uint8))[0]
    names, templates = _templates()
    seen = _normalise(np.pad(mask[rows, columns], 2))
    overlaps = np.minimum(templates, seen).sum((1, 2)) / np.maximum(templates, seen).sum((1, 2))
    best = int(overlaps.argmax())
    return (names[best] if overlaps[best] >= _LEAST_MATCH else None), float(overlaps[best])


def _name_place(x: float, y: float) -> str | None:
    distances = {place: float(np.hypot(x - ax, y - ay)) for place, (ax, ay) in _ANCHORS.items()}
    place = min(distances, key=distances.get)
    return place if distances[place] <= _PLACE_REACH else None


def _see_thing(mask: np.ndarray, labels: np.ndarray) -> SeenThing:
    inside = ndimage.binary_erosion(mask, _disk(2))
    color = COLORS[_most_common(labels[inside if inside.any() else mask])]
    shape, match = _name_shape(mask)
    rows, columns = ndimage.find_objects(mask.astype(np.uint8))[0]
    y, x = (rows.start + rows.stop) / 2 / _SIDE, (columns.start + columns.stop) / 2 / _SIDE
    extent = max(rows.stop - rows.start, columns.stop - columns.start) / _SIDE
    size = "large" if extent > RADIUS["small"] + RADIUS["large"] else "small"
    return SeenThing(shape, color, size, _name_place(x, y), x, y, int(mask.sum()), match)


def look(pixels: np.ndarray) -> Seen:
    """What is in the picture (uint8 [height, width, 3], any size)."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(f"Expected pixels to be uint8 [height, width, 3] but received {pixels.dtype} {pixels.shape}")
    labels = _color_labels(pixels)
    main, pattern, accent = _see_background(labels)
    blobs = _blobs(labels, {main} if accent is None else {main, accent})
    things = tuple(_see_thing(blob, labels) for blob in blobs)
    return Seen(COLORS[main], pattern, None if accent is None else COLORS[accent], things)
