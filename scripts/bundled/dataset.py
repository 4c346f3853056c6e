"""Pictures with captions, drawn from a seed: what every training reads. Drawing one costs half a millisecond, so only
what is dear to compute from them is kept in files.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from .configs import PICTURE_SIZE, SEMANTIC_SIZE
from .draw import Placed, arrange, draw
from .scene import Mix, Scene, sample_scene

_CHUNK = 500
_BATCH = 8  # larger ones fall out of the cache and run at half the speed


@dataclass(frozen=True)
class Drawings:
    """An endless sheet of training pictures, of which the first `count` are used."""

    count: int
    seed: int
    mix: Mix

    def scene(self, index: int) -> Scene:
        return sample_scene(random.Random(f"scene {self.seed} {index}"), self.mix, held_out=False)

    def _chance(self, index: int) -> random.Random:
        return random.Random(f"picture {self.seed} {index}")

    def placed(self, index: int) -> list[Placed]:
        """Where the picture's things are."""
        return arrange(self.scene(index), self._chance(index))[1]

    def picture(self, index: int) -> np.ndarray:
        """(256, 256, 3) uint8."""
        return draw(self.scene(index), PICTURE_SIZE, self._chance(index))

    def scenes(self) -> list[Scene]:
        return [self.scene(index) for index in range(self.count)]


def reduce(picture: np.ndarray) -> np.ndarray:
    """The picture as the semantic encoder sees it."""
    return np.asarray(Image.fromarray(picture).resize((SEMANTIC_SIZE, SEMANTIC_SIZE), Image.Resampling.BOX))


def reduced_picture(drawings: Drawings, index: int) -> np.ndarray:
    return reduce(drawings.picture(index))


def whole_picture(drawings: Drawings, index: int) -> np.ndarray:
    return drawings.picture(index)


Make = Callable[[Drawings, int], np.ndarray]


def _fill(path: str, start: int, stop: int, drawings: Drawings, make: Make) -> int:
    rows = np.lib.format.open_memmap(path, mode="r+")
    for index in range(start, stop):
        rows[index] = make(drawings, index)
    return stop - start


def drawn(path: Path, drawings: Drawings, make: Make, shape: tuple[int, ...], workers: int) -> np.ndarray:
    """(count, *shape) uint8, memory-mapped: `make` of every picture; drawn now if the file does not exist yet."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        np.lib.format.open_memmap(partial, mode="w+", dtype=np.uint8, shape=(drawings.count, *shape)).flush()
        starts = range(0, drawings.count, _CHUNK)
        with ProcessPoolExecutor(workers) as pool:
            futures = [
                pool.submit(_fill, str(partial), start, min(drawings.count, start + _CHUNK), drawings, make)
                for start in starts
            ]
            done = 0
            for future in futures:
                done += future.result()
                if done % (20 * _CHUNK) == 0 or done == drawings.count:
                    print(f"{path.stem}: drawn {done}/{drawings.count}", flush=True)
        shutil.move(partial, path)
    return np.load(path, mmap_mode="r")


def batches(count: int) -> Iterator[list[int]]:
    return (list(range(start, min(count, start + _BATCH))) for start in range(0, count, _BATCH))


def derived(
    path: Path, count: int, shape: tuple[int, ...], dtype: type, make: Callable[[list[int]], np.ndarray]
) -> np.ndarray:
    """(count, *shape), made of batches of indices and kept in a file."""
    if not path.exists():
        partial = path.with_suffix(".partial")
        made = np.lib.format.open_memmap(partial, mode="w+", dtype=dtype, shape=(count, *shape))
        for indices in batches(count):
            made[indices[0] : indices[-1] + 1] = make(indices)
            if indices[0] % (1000 * _BATCH) == 0:
                print(f"{path.stem} {indices[0]}/{count}", flush=True)
        made.flush()
        shutil.move(partial, path)
    return np.load(path)
