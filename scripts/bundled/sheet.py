"""A contact sheet of pictures that somebody made: FOLDER/0.png, 1.png, ... with FOLDER/captions.json, a list."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image

from .draw import contact_sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--columns", type=int, default=6)
    options = parser.parse_args()
    captions = json.loads((options.folder / "captions.json").read_text())
    pictures = [np.asarray(Image.open(options.folder / f"{index}.png")) for index in range(len(captions))]
    contact_sheet(pictures, captions, options.columns).save(options.out, optimize=True)


if __name__ == "__main__":
    main()
