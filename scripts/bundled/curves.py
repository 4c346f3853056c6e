"""The losses of every training so far as one picture: `python -m scripts.bundled.curves`. Loss is logarithmic."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

from PIL import Image, ImageDraw

_WIDTH, _HEIGHT, _MARGIN = 640, 220, 44
_INK, _GRID, _LINE, _FAINT = (40, 40, 46), (226, 226, 230), (32, 84, 216), (176, 196, 240)
_SMOOTHING = 0.6  # of the running mean that is drawn over the plain values


def read_log(path: Path) -> list[tuple[int, float]]:
    """(step, loss) in the order of the steps; of a step that was run twice, the later run."""
    lines = path.read_text().splitlines()
    losses = {entry["step"]: entry["loss"] for entry in map(json.loads, lines) if entry["loss"] > 0}
    return sorted(losses.items())


def _smooth(losses: list[tuple[int, float]]) -> list[tuple[int, float]]:
    smoothed, mean = [], math.log(losses[0][1])
    for step, loss in losses:
        mean = _SMOOTHING * mean + (1 - _SMOOTHING) * math.log(loss)
        smoothed.append((step, math.exp(mean)))
    return smoothed


def _draw_curve(pen: ImageDraw.ImageDraw, top: int, name: str, losses: list[tuple[int, float]]) -> None:
    last = losses[-1][0]
    logs = [math.log10(loss) for _, loss in losses]
    low, high = min(logs), max(max(logs), min(logs) + 0.1)

    def at(step: int, loss: float) -> tuple[float, float]:
        x = _MARGIN + (_WIDTH - 2 * _MARGIN) * step / last
        y = top + _HEIGHT - _MARGIN - (_HEIGHT - 2 * _MARGIN) * (math.log10(loss) - low) / (high - low)
        return x, y

    for part in range(5):
        level = 10 ** (low + (high - low) * part / 4)
        y = at(0, level)[1]
        pen.line([(_MARGIN, y), (_WIDTH - _MARGIN, y)], fill=_GRID)
        pen.text((4, y - 6), f"{level:.3g}", fill=_INK)
    pen.line([at(*point) for point in losses], fill=_FAINT)
    pen.line([at(*point) for point in _smooth(losses)], fill=_LINE, width=2)
    pen.text((_MARGIN, top + 14), f"{name}: {losses[-1][1]:.4g} after {last} steps", fill=_INK)


def plot(folder: Path, names: tuple[str, ...]) -> Image.Image | None:
    """One curve below the other; None before anything was logged."""
    logs = {name: read_log(folder / f"{name}.jsonl") for name in names if (folder / f"{name}.jsonl").exists()}
    logs = {name: losses for name, losses in logs.items() if len(losses) > 1}
    if not logs:
        return None
    picture = Image.new("RGB", (_WIDTH, _HEIGHT * len(logs)), (255, 255, 255))
    pen = ImageDraw.Draw(picture)
    for row, (name, losses) in enumerate(logs.items()):
        _draw_curve(pen, row * _HEIGHT, name, losses)
    return picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(".training"))
    parser.add_argument("--out", type=Path, default=Path(".training/losses.png"))
    options = parser.parse_args()
    picture = plot(options.folder, ("vqgan", "semantic", "text", "decoder", "prior"))
    if picture is None:
        raise SystemExit(f"Expected a training's log in {options.folder} but found none")
    picture.save(options.out)


if __name__ == "__main__":
    main()
