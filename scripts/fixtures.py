"""Makes what the tests and benchmarks need and git should not hold: `python -m scripts.fixtures .fixtures`.

- `small`, `small-prior`: a checkpoint of seeded random weights at a tenth of v2's width, with CLIP's 77 tokens
- `fast-test`, `fast-test-prior`: the checkpoint of diffusers' own fast test
- `graphs/small`, `graphs/fast-test`: the graphs of their configs
Made once; made again when the scripts they come from change.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
from pathlib import Path

SOURCES = [*Path(__file__).parent.glob("*.py"), *Path(__file__).parent.glob("networks/*.py")]


def fingerprint() -> str:
    digest = hashlib.sha256()
    for path in sorted(SOURCES):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    stamp = options.out / "fingerprint"
    if stamp.exists() and stamp.read_text() == fingerprint():
        return
    shutil.rmtree(options.out, ignore_errors=True)
    options.out.mkdir(parents=True)
    # torch and diffusers take seconds to load, and most times there is nothing to make.
    from .fixture_checkpoints import make

    make(options.out)
    stamp.write_text(fingerprint())


if __name__ == "__main__":
    main()
