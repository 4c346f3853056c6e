"""Whether a LoRA pays as a product of its own beside the weight, `W x + B (A x)`, instead of in it: `python -m bench.peers.low_rank`.

A block of Stage C's six linear layers, at v2's widths, on the rows of a guided picture of 1024x1024. Prints what a block takes
with the change in the weights and with it beside them, in turns, and the private memory of each for all 32 blocks.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import linear

WIDTH, BLOCKS = 1536, 32
LAYERS = ((WIDTH, WIDTH),) * 4 + ((WIDTH, 4 * WIDTH), (4 * WIDTH, WIDTH))  # in, out: attention's four, the mixer's two


# Of each layer: x (rows, in), W (out, in), A (rank, in), B (out, rank).
Block = list[tuple[Tensor, Tensor, Tensor, Tensor]]


def layers(rank: int, rows: int, dtype: torch.dtype) -> Block:
    def normal(*shape: int) -> Tensor:
        return torch.randn(shape).mul_(0.02).to(dtype)

    return [(normal(rows, i), normal(o, i), normal(rank, i), normal(o, rank)) for i, o in LAYERS]


def folded(block: Block) -> list[Tensor]:
    return [linear(x, weight) for x, weight, _, _ in block]


def beside(block: Block) -> list[Tensor]:
    return [torch.addmm(linear(x, weight), linear(x, a), b.t()) for x, weight, a, b in block]


def milliseconds(work: Callable[[Block], object], block: Block) -> float:
    started = time.perf_counter()
    work(block)
    return 1000 * (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rank", type=int, nargs="+", default=[8, 32, 128])
    parser.add_argument("--rows", type=int, default=2 * 24 * 24)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="bfloat16")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    dtype = getattr(torch, options.dtype)
    numbers = sum(i * o for i, o in LAYERS) * BLOCKS
    print("| rank | in the weights, ms a block | beside them | times | private, GB | beside |")
    print("|---|---|---|---|---|---|")
    with torch.inference_mode():
        for rank in options.rank:
            block = layers(rank, options.rows, dtype)
            times: dict[str, list[float]] = {"folded": [], "beside": []}
            for _ in range(options.rounds + 1):
                times["folded"].append(milliseconds(folded, block))
                times["beside"].append(milliseconds(beside, block))
            one, other = (statistics.median(found[1:]) for found in times.values())  # the first one warms
            low = sum((i + o) * rank for i, o in LAYERS) * BLOCKS
            gigabytes = [dtype.itemsize * count / 1e9 for count in (numbers, low)]
            print(f"| {rank} | {one:.1f} | {other:.1f} | {other / one:.2f} | {gigabytes[0]:.2f} | {gigabytes[1]:.2f} |")


if __name__ == "__main__":
    main()
