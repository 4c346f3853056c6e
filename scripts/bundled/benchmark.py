"""The captions of `npm run bench:captions`, and the verdict on pictures that somebody made from them.

`... benchmark list one 100` prints captions as JSON; `... benchmark judge one 100 FOLDER` examines FOLDER/0.png, 1.png, ...
The list is fixed by kind, count and seed: combinations of shape, colour and background that training never saw.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image

from .captions import Caption, one_object_captions, two_object_captions
from .judge import Verdict, accuracies, format_table, judge

KINDS = {"one": one_object_captions, "two": two_object_captions}


def captions(kind: str, count: int, seed: int) -> list[Caption]:
    return KINDS[kind](count, seed, held_out=True)


def verdicts(wanted: list[Caption], folder: Path) -> list[Verdict]:
    return [
        judge(np.asarray(Image.open(folder / f"{index}.png").convert("RGB")), caption.stated)
        for index, caption in enumerate(wanted)
    ]


def colors_right(verdict: Verdict) -> bool:
    """Background and every object's colour: the bar of the first version."""
    return bool(verdict.background) and bool(verdict.color)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["list", "judge"])
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("count", type=int)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    wanted = captions(options.kind, options.count, options.seed)
    if options.what == "list":
        print(json.dumps([caption.text for caption in wanted]))
        return
    if options.folder is None:
        parser.error("judge needs the folder of the pictures")
    found = verdicts(wanted, options.folder)
    print(format_table(accuracies(found)))
    right = sum(map(colors_right, found))
    print(f"background and every object's colour right: {right} of {len(found)}")
    print(f"all right: {sum(verdict.all_right for verdict in found)} of {len(found)}")


if __name__ == "__main__":
    main()
