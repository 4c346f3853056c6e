"""Pictures with captions, drawn once and kept as arrays: what every training reads."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from .configs import PICTURE_SIZE, SEMANTIC_SIZE
from .draw import draw
from .scene import Mix, Scene, sample_scene

_CHUNK = 500
_BATCH = 8  # larger ones fall out of the cache and run at half the speed


def scene_of(index: int, seed: int, mix: Mix) -> Scene:
    return sample_scene(random.Random(f"scene {seed} {index}"), mix, held_out=False)


def picture_of(index: int, seed: int, mix: Mix) -> np.ndarray:
    return draw(scene_of(index, seed, mix), PICTURE_SIZE, random.Random(f"picture {seed} {index}"))


def reduce(picture: np.ndarray) -> np.ndarray:
    """The picture as the semantic encoder sees it."""
    return np.asarray(Image.fromarray(picture).resize((SEMANTIC_SIZE, SEMANTIC_SIZE), Image.Resampling.BOX))


def _fill(path: str, start: int, stop: int, seed: int, mix: Mix) -> int:
    pictures = np.lib.format.open_memmap(path, mode="r+")
    for index in range(start, stop):
        pictures[index] = picture_of(index, seed, mix)
    return stop - start


def pictures(folder: Path, count: int, seed: int, mix: Mix, workers: int) -> np.ndarray:
    """(count, H, W, 3) uint8, memory-mapped; drawn now if the folder does not have them yet."""
    path = folder / f"pictures-{seed}-{count}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        np.lib.format.open_memmap(
            partial, mode="w+", dtype=np.uint8, shape=(count, PICTURE_SIZE, PICTURE_SIZE, 3)
        ).flush()
        starts = range(0, count, _CHUNK)
        with ProcessPoolExecutor(workers) as pool:
            futures = [
                pool.submit(_fill, str(partial), start, min(count, start + _CHUNK), seed, mix) for start in starts
            ]
            done = 0
            for future in futures:
                done += future.result()
                print(f"drawn {done}/{count}", flush=True)
        shutil.move(partial, path)
    return np.load(path, mmap_mode="r")


def derived(
    path: Path, source: np.ndarray, shape: tuple[int, ...], dtype: type, make: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """(count, *shape), made from batches of `source` and kept in a file beside it."""
    if not path.exists():
        partial = path.with_suffix(".partial")
        made = np.lib.format.open_memmap(partial, mode="w+", dtype=dtype, shape=(len(source), *shape))
        for start in range(0, len(source), _BATCH):
            made[start : start + _BATCH] = make(np.array(source[start : start + _BATCH]))
            if start % (500 * _BATCH) == 0:
                print(f"{path.stem} {start}/{len(source)}", flush=True)
        made.flush()
        shutil.move(partial, path)
    return np.load(path)
