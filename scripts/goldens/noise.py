"""Writes test/goldens/noise.json: what torch's CPU generator draws, bit by bit. `python -m scripts.goldens.noise`"""

from __future__ import annotations

import json
from pathlib import Path

import torch

GOLDEN = Path(__file__).parents[2] / "test" / "goldens" / "noise.json"
# One request of three images draws for all of them at once: Stage C's shape twice, then Stage B's.
SHAPES = ([3, 16, 3, 2], [3, 16, 3, 2], [3, 4, 16, 8])
SEEDS = (0, 7, 2**40 + 3, 2**53 - 1)


def draws(seed: int) -> list[list[int]]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator).view(torch.int32).flatten().tolist() for shape in SHAPES]


def main() -> None:
    made_by = f"python -m scripts.goldens.noise, torch {torch.__version__.split('+')[0]}"
    golden = {"made_by": made_by, "shapes": SHAPES, "draws": {seed: draws(seed) for seed in SEEDS}}
    GOLDEN.write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
